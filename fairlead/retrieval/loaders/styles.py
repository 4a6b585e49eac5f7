"""Which declarations of a page's own style sheets hold for which element.

Covers `<style>` and `style=`: cascade, specificity, `!important`, media queries, variables of the
whole page, nesting. Does not cover linked and imported sheets (`external` counts them), nor what
scripts change.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from fairlead.retrieval.loaders.style_sheets import (
    PROPERTIES,
    Declaration,
    Rule,
    declarations,
    on_screen,
    rules,
)

Style: TypeAlias = Mapping[str, str]
_Weight: TypeAlias = tuple[int, ...]
"""Importance, whether inline, ids, classes, tags, order: the greater one wins."""

_WORK: Final = 200_000_000
"""Elements times selectors that are matched: about five seconds."""
_VARIABLE: Final = re.compile(r"var\(\s*(--[\w-]+)\s*(?:,([^()]*))?\)")
_LAST: Final = re.compile(r"[^\s>+~]+$")
_NAME: Final = re.compile(r"([.#]?)(-?[_a-zA-Z][\w-]*)")
_PAGE: Final = frozenset({":root", "html", "body", "*"})
_LONGEST: Final = 200
"""Characters of a value with variables, before they are filled in."""
_NONE: Final[Style] = {}


@dataclass
class _Names:
    """The tags, classes and ids that occur in a page, and how many elements it has."""

    count: int = 0
    by_mark: dict[str, set[str]] = field(
        default_factory=lambda: {"": set(), ".": set(), "#": set()}
    )


class Styles:
    """What was declared for each element of a page.

    `complete` is False when there was too much to match; `external` counts sheets not read.
    """

    def __init__(self, tree: LexborHTMLParser) -> None:
        self._found: dict[int, dict[str, tuple[_Weight, str]]] = {}
        self._variables: dict[str, str] = {}
        sheets = [node.text() for node in tree.css("style") if _applies(node)]
        linked = [node for node in tree.css("link[rel~='stylesheet' i]") if _applies(node)]
        self.external = len(linked) + sum(sheet.lower().count("@import") for sheet in sheets)
        given = [rule for sheet in sheets for rule in rules(sheet)]
        self.complete = not given or self._matched(tree, given)

    def of(self, node: LexborNode, inline: str | None) -> Style:
        """Property to value, in lower case; `inline` is the element's own `style`."""
        found = self._found.get(node.mem_id)
        if not inline:
            return {name: value for name, (_, value) in found.items()} if found else _NONE
        held = dict(found or {})
        declared = tuple(declarations(inline))
        own = _variables(declared)
        for name, value, important in declared:
            _lay(held, name, self._resolved(value, own), (important, 1, 0, 0, 0, 0))
        return {name: value for name, (_, value) in held.items()}

    def _matched(self, tree: LexborHTMLParser, given: list[Rule]) -> bool:
        """Whether every rule was matched before the work was too much."""
        for rule in given:
            if rule.selector in _PAGE:
                self._variables |= _variables(rule.declarations)
        names = _names(tree)
        left = _WORK // max(1, names.count)
        for order, rule in enumerate(given):
            relevant = [each for each in rule.declarations if each[0] in PROPERTIES]
            if not relevant or not _possible(rule.selector, names):
                continue
            if not left:
                return False
            left -= 1
            weight, own = _specificity(rule.selector), _variables(rule.declarations)
            for place in _places(tree, rule.selector):
                held = self._found.setdefault(place, {})
                for name, value, important in relevant:
                    _lay(held, name, self._resolved(value, own), (important, 0, *weight, order))
        return True

    def _resolved(self, value: str, own: Style) -> str:
        for _ in range(5):  # a variable may name another
            if "var(" not in value or len(value) > _LONGEST:
                break
            known = {**self._variables, **own}
            value = _VARIABLE.sub(lambda v: known.get(v[1], v[2] or ""), value)  # noqa: B023
        return value.strip()


def _variables(declared: tuple[Declaration, ...]) -> Style:
    return {n: v for n, v, _ in declared if n.startswith("--") and len(v) < _LONGEST}


def _applies(node: LexborNode) -> bool:
    return on_screen(node.attributes.get("media") or "")


def _lay(held: dict[str, tuple[_Weight, str]], name: str, value: str, weight: _Weight) -> None:
    before = held.get(name)
    if before is None or before[0] <= weight:
        held[name] = (weight, value)


def _places(tree: LexborHTMLParser, selector: str) -> list[int]:
    try:
        return [node.mem_id for node in tree.css(selector)]
    except (SelectolaxError, ValueError):
        return []  # a state such as :hover, a pseudo-element, or no selector at all


def _names(tree: LexborHTMLParser) -> _Names:
    names = _Names()
    for node in tree.root.traverse() if tree.root else ():
        names.count += 1
        names.by_mark[""].add((node.tag or "").lower())
        attributes = node.attributes
        names.by_mark["."].update((attributes.get("class") or "").lower().split())
        names.by_mark["#"].add((attributes.get("id") or "").lower())
    return names


def _possible(selector: str, names: _Names) -> bool:
    """Whether what a selector names last occurs at all: most rules of a page match nothing."""
    last = _LAST.search(selector)
    if not last or any(mark in last[0] for mark in ":[\\"):
        return True
    return all(name.lower() in names.by_mark[mark] for mark, name in _NAME.findall(last[0]))


def _specificity(selector: str) -> tuple[int, int, int]:
    return (
        len(re.findall(r"#[\w-]", selector)),
        len(re.findall(r"\.[\w-]|\[|(?<!:):(?!:|is\(|where\(|not\()", selector)),
        len(re.findall(r"(?:^|[\s>+~(])[a-zA-Z]", selector)),
    )
