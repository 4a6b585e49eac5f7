"""The rules of a CSS style sheet that can hide something, as they hold on a wide screen."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

Declaration: TypeAlias = tuple[str, str, bool]
"""Property, value in lower case, whether it is important."""

PROPERTIES: Final = frozenset(
    """
    background background-clip background-color background-image bottom clip clip-path color
    content-visibility display filter font font-size height left margin-left max-height max-width
    opacity overflow overflow-x overflow-y position right text-indent top transform visibility
    -webkit-background-clip -webkit-text-fill-color width
    """.split()
)
"""What can hide an element or its text; nothing else is kept."""
_NOISE: Final = re.compile(r"/\*.*?\*/|<!--|-->", re.DOTALL)
_TOKEN: Final = re.compile(r"[{};]|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|\([^()\"']*\)")
_IMPORTANT: Final = re.compile(r"\s*!\s*important$")
_WIDTH: Final = re.compile(r"\(\s*(min|max)-width\s*:\s*(\d{1,6}(?:\.\d{1,6})?)(px|em|rem)\s*\)")
_ELSEWHERE: Final = re.compile(r"\b(?:print|speech|dark|forced-colors|prefers-reduced)\b")
_SCREEN: Final = 1280
_GROUPS: Final = ("@media", "@supports", "@layer", "@container", "@scope", "@starting-style")
_DEEPEST: Final = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One selector and what it declares."""

    selector: str
    declarations: tuple[Declaration, ...]


def rules(sheet: str) -> Iterator[Rule]:
    """The rules in order, one per selector, those of media queries and nested ones included."""
    yield from _rules(_NOISE.sub(" ", sheet), 0)


def declarations(block: str) -> Iterator[Declaration]:
    """The declarations of a block or a `style` attribute, without those of nested rules."""
    block = f"{_NOISE.sub(' ', block)};"
    begin = depth = 0
    for token in _TOKEN.finditer(block):
        mark = token[0]
        if mark == ";" and not depth:
            name, _, value = block[begin : token.start()].partition(":")
            name, value = name.strip().lower(), value.strip().lower()
            if value and (name in PROPERTIES or name.startswith("--")):
                bare = _IMPORTANT.sub("", value)
                yield name, bare, bare != value
        depth += (mark == "{") - (mark == "}" and depth > 0)
        if mark in ";}" and not depth:
            begin = token.end()


def on_screen(media: str) -> bool:
    """Whether any of the media queries holds on a screen of 1280 pixels."""
    return any(_holds(query.strip().lower()) for query in media.split(","))


def _rules(sheet: str, depth: int) -> Iterator[Rule]:
    for prelude, block in _blocks(sheet):
        if prelude.startswith("@"):
            if depth < _DEEPEST and _applies(prelude.lower()):
                yield from _rules(block, depth + 1)
            continue
        held = tuple(declarations(block))
        if held:
            for selector in _alternatives(prelude):
                yield Rule(selector=selector, declarations=held)
        if "{" in block and depth < _DEEPEST:
            yield from _rules(_unnested(prelude, block), depth + 1)


def _blocks(sheet: str) -> Iterator[tuple[str, str]]:
    """What stands before each outer pair of braces, and in it."""
    depth = begin = opened = 0
    prelude = ""
    for token in _TOKEN.finditer(sheet):
        mark = token[0]
        if mark == "{":
            if not depth:
                prelude, opened = sheet[begin : token.start()].strip(), token.end()
            depth += 1
        elif mark == "}" and depth:
            depth -= 1
            if not depth:
                yield prelude, sheet[opened : token.start()]
        if mark in ";}" and not depth:
            begin = token.end()
    if depth:
        yield prelude, sheet[opened:]  # the end closes it, as in browsers


def _unnested(prelude: str, block: str) -> str:
    """The nested rules of a block with their full selectors."""
    parent = f":is({prelude})"
    found = []
    for inner, body in _blocks(block):
        inner = inner.rpartition(";")[2].strip()
        if inner.startswith("@"):
            found.append(f"{inner} {{ {prelude} {{ {body} }} }}")
        else:
            selector = inner.replace("&", parent) if "&" in inner else f"{parent} {inner}"
            found.append(f"{selector} {{ {body} }}")
    return "\n".join(found)


def _alternatives(prelude: str) -> Iterator[str]:
    """The selectors between the outer commas."""
    depth = begin = 0
    for at, char in enumerate(f"{prelude},"):
        depth += (char in "([") - (char in ")]")
        if char == "," and depth <= 0:
            if selector := prelude[begin:at].strip():
                yield selector
            begin = at + 1


def _applies(prelude: str) -> bool:
    if prelude.startswith("@media"):
        return on_screen(prelude[len("@media") :])
    return prelude.startswith(_GROUPS)


def _holds(query: str) -> bool:
    holds = not _ELSEWHERE.search(query)
    for bound, number, unit in _WIDTH.findall(query):
        width = float(number) * (1 if unit == "px" else 16)
        holds = holds and (width <= _SCREEN if bound == "min" else width >= _SCREEN)
    return holds != query.startswith("not ")
