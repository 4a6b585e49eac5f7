"""What the styles and numberings of a DOCX file say of its paragraphs."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

Node: TypeAlias = Any
"""An XML element; lxml has no types."""

W: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_HEADING: Final = re.compile(r"heading (\d)", re.IGNORECASE)
_LIST: Final = re.compile(r"list (?:bullet|number) ([1-9])", re.IGNORECASE)
_OFF: Final = ("0", "false", "off", "none")
_DEEPEST: Final = 20
_ROMAN: Final = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"),
    (40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip


def value(node: Node, path: str) -> str | None:
    """The `w:val` of an element below a node; None where there is none, empty where it has none."""
    found = None if node is None else node.find("/".join(W + step for step in path.split("/")))
    return None if found is None else (found.get(f"{W}val") or "")


def switched_on(node: Node, path: str) -> bool | None:
    """Whether a property below a node holds; None where nothing is said."""
    said = value(node, path)
    return None if said is None else said.lower() not in _OFF


@dataclass(frozen=True, kw_only=True)
class Level:
    """One level of a numbering."""

    form: str
    template: str
    start: int


class Styles:
    """Paragraph and character styles by their id."""

    def __init__(self, root: Node) -> None:
        self._nodes: dict[str, Node] = {
            node.get(f"{W}styleId") or "": node for node in root.iterfind(f"{W}style")
        }

    def heading(self, properties: Node) -> int:
        """The level of a paragraph, 1 for the document's title; 0 where it is none."""
        for source in (properties, *(n.find(f"{W}pPr") for n in self.chain(properties, "pStyle"))):
            level = value(source, "outlineLvl")
            if level is not None and level.isdecimal():
                return int(level) + 1 if int(level) < 9 else 0
        for node in self.chain(properties, "pStyle"):
            name = value(node, "name") or ""
            if found := _HEADING.fullmatch(name):
                return int(found[1])
            if name.lower() == "title":
                return 1
        return 0

    def is_title(self, properties: Node) -> bool:
        """Whether a paragraph has the style of the document's title."""
        names = [value(node, "name") for node in self.chain(properties, "pStyle")]
        return "title" in [(name or "").lower() for name in names]

    def numbering(self, properties: Node) -> tuple[str, int] | None:
        """Numbering and level of a paragraph, by its own word or its style's."""
        for source in (properties, *(n.find(f"{W}pPr") for n in self.chain(properties, "pStyle"))):
            number, level = value(source, "numPr/numId"), value(source, "numPr/ilvl")
            if number is not None:
                depth = int(level) if level and level.isdecimal() else self._depth(properties)
                return None if number == "0" else (number, min(depth, 8))
        return None

    def _depth(self, properties: Node) -> int:
        """The level of a list that only its style's name tells, as in "List Bullet 2"."""
        names = [value(node, "name") or "" for node in self.chain(properties, "pStyle")]
        found = next((found for name in names if (found := _LIST.fullmatch(name))), None)
        return int(found[1]) - 1 if found else 0

    def vanishes(self, run: Node, paragraph: Node) -> bool:
        """Whether a run is hidden, by its own word or a style's."""
        own = None if run is None else switched_on(run, "vanish")
        if own is not None:
            return own
        styles = (*self.chain(run, "rStyle"), *self.chain(paragraph, "pStyle"))
        said = (switched_on(node, "rPr/vanish") for node in styles)
        return next((holds for holds in said if holds is not None), False)

    def chain(self, properties: Node, kind: str) -> Iterator[Node]:
        """The style named in the properties, and those it is based on."""
        name = value(properties, kind)
        for _ in range(_DEEPEST):
            node = self._nodes.get(name or "")
            if node is None:
                return
            yield node
            name = value(node, "basedOn")


class Numberings:
    """The labels of numbered paragraphs, counted in the order in which they are asked for."""

    def __init__(self, root: Node) -> None:
        levels = {} if root is None else _levels(root)
        self._levels: dict[str, dict[int, Level]] = levels
        self._counts: dict[str, list[int]] = {}

    def label(self, number: str, depth: int) -> str:
        """What stands before the next paragraph of that level: `-` for a bullet, else `2.1`."""
        levels = self._levels.get(number, {})
        level = levels.get(depth)
        counts = self._counts.setdefault(number, [])
        del counts[depth + 1 :]
        while len(counts) <= depth:
            held = levels.get(len(counts))
            counts.append((held.start if held else 1) - 1)
        counts[depth] += 1
        for above in range(depth):
            counts[above] = max(counts[above], 1)
        if level is None or level.form in ("bullet", "none"):
            return "-"
        label = level.template
        for at, count in enumerate(counts, start=1):
            form = levels[at - 1].form if at - 1 in levels else "decimal"
            label = label.replace(f"%{at}", _figure(count, form))
        return label.strip() or "-"


def _levels(root: Node) -> dict[str, dict[int, Level]]:
    """Numbering to its levels."""
    abstract = {
        node.get(f"{W}abstractNumId"): {
            int(level.get(f"{W}ilvl") or 0): Level(
                form=value(level, "numFmt") or "decimal",
                template=value(level, "lvlText") or "",
                start=_number(value(level, "start")),
            )
            for level in node.iterfind(f"{W}lvl")
        }
        for node in root.iterfind(f"{W}abstractNum")
    }
    return {
        node.get(f"{W}numId") or "": abstract.get(value(node, "abstractNumId"), {})
        for node in root.iterfind(f"{W}num")
    }


def _number(said: str | None) -> int:
    return int(said) if said and said.isdecimal() and len(said) < 6 else 1


def _figure(count: int, form: str) -> str:
    if form.endswith("Letter"):
        letter = chr(ord("a") + (count - 1) % 26) * ((count - 1) // 26 + 1)
        return letter.upper() if form.startswith("upper") else letter
    if form.endswith("Roman"):
        figure = ""
        for size, sign in _ROMAN:
            figure += sign * (count // size)
            count %= size
        return figure.upper() if form.startswith("upper") else figure
    return str(count)
