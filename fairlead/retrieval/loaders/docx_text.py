"""The body of a DOCX file as Markdown: what is printed, tracked changes accepted."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from fairlead.retrieval.loaders.docx_styles import Node, Numberings, Styles, W, switched_on, value
from fairlead.retrieval.loaders.grid import Cell, TableRow, laid_out
from fairlead.retrieval.loaders.writing import BREAK, Writer

_LEFT_OUT: Final = frozenset(
    """
    annotationRef commentRangeEnd commentRangeStart commentReference del delInstrText delText
    fldData instrText moveFrom pPr proofErr rPr rt sdtEndPr sdtPr sectPr tblGrid tblPr tcPr trPr
    """.split()
)
"""Properties, comments, and what a tracked change took away."""
_SIGNS: Final = {
    "tab": " ",
    "ptab": " ",
    "cr": BREAK,
    "br": BREAK,
    "noBreakHyphen": "-",
    "softHyphen": "",
}
_NOTES: Final = {"footnoteReference": "footnote", "endnoteReference": "endnote"}
_MARKER: Final = re.compile(r"\(?(?:\d{1,3}|[a-zA-Z])[.)]")
"""Labels that are list markers in Markdown too; others are said in the text."""
_WHITE: Final = ("ffffff", "fefefe", "fdfdfd")
_NO_FILL: Final = (None, "", "auto", "ffffff")
_TINY: Final = 2
"""Half points of type that nobody can read."""
_SAMPLE: Final = 10_000


class BodyText:
    """Walks the body once. `dropped` counts hidden characters, by how they were hidden."""

    def __init__(self, styles: Styles, numberings: Numberings, notes: dict[str, Node]) -> None:
        self.dropped: Counter[str] = Counter()
        self.samples: dict[str, str] = {}
        self.title = ""
        self._styles = styles
        self._numberings = numberings
        self._notes = notes
        """`footnote 2` and the like to their content."""
        self._cited: list[str] = []
        self._writer = Writer()
        self._items: list[int] = []
        """Depths of the list items that are open."""
        self._paragraph: Node = None
        """The properties of the paragraph that is open."""
        self._boxes: list[Node] = []
        self._in_cell = False

    def render(self, body: Node) -> str:
        """The Markdown of the body, its notes at the end."""
        self._blocks(body)
        self._end_items(0)
        for number, key in enumerate(self._cited, start=1):
            self._writer.end_list()
            self._writer.say(f"[{number}] {self._flat(self._notes[key])}")
            self._writer.end_block()
        return self._writer.text()

    # --- blocks ----------------------------------------------------------------------------------

    def _blocks(self, parent: Node) -> None:
        for node in parent:
            name = _name(node)
            if name == "p":
                self._block(node)
            elif name == "tbl":
                self._table(node)
            elif name == "AlternateContent":
                self._blocks(_choice(node))
            elif name not in _LEFT_OUT:
                self._blocks(node)

    def _block(self, node: Node) -> None:
        """One paragraph, and the text boxes that are anchored in it."""
        properties = node.find(f"{W}pPr")
        level = 0 if self._in_cell else self._styles.heading(properties)
        self._writer.say(self._label(properties, level))
        held, self._paragraph = self._paragraph, properties
        self._inline(node)
        self._paragraph = held
        if level and not self.title and self._styles.is_title(properties):
            self.title = " ".join(self._writer.raw().replace(BREAK, " ").split())
        self._writer.end_block(level)
        boxes, self._boxes = self._boxes, []
        for box in boxes:
            self._blocks(box)

    def _label(self, properties: Node, level: int) -> str:
        """What stands before a paragraph; opens the list item that it is, ends those it is not."""
        numbering = self._styles.numbering(properties)
        label = self._numberings.label(*numbering) if numbering else ""
        listed = numbering is not None and not level
        if self._in_cell:
            return f" {label} " if label != "-" else " "
        if not numbering or not listed:
            self._end_items(0)
            self._writer.end_list()
            return f"{label} " if label != "-" else ""
        self._end_items(numbering[1])
        marker = label if _MARKER.fullmatch(label) else "-"
        self._writer.open_item(marker)
        self._items.append(numbering[1])
        return "" if label == marker else f"{label} "

    def _end_items(self, depth: int) -> None:
        """Ends the list items of that depth and deeper."""
        while self._items and self._items[-1] >= depth:
            self._items.pop()
            self._writer.close()

    def _table(self, node: Node) -> None:
        if self._in_cell:
            for cell in node.iter(f"{W}tc"):
                self._blocks(cell)
            return
        self._end_items(0)
        self._writer.end_list()
        above: dict[int, str] = {}
        rows = [row for line in node.iter(f"{W}tr") for row in self._row(line, above)]
        lines, header = laid_out(rows)
        if lines:
            self._writer.table(lines, header=header)

    def _row(self, node: Node, above: dict[int, str]) -> Iterator[TableRow]:
        """A row of a table; a cell that goes on from above says again what stands there."""
        properties = node.find(f"{W}trPr")
        if properties is not None and switched_on(properties, "hidden"):
            self._drop("hidden row", "".join(each.text or "" for each in node.iter(f"{W}t")))
            return
        cells = [Cell(text="") for _ in range(_count(value(properties, "gridBefore"), 0))]
        column = len(cells)
        for cell in _cells(node):
            shape = cell.find(f"{W}tcPr")
            columns = _count(value(shape, "gridSpan"), 1)
            merged = value(shape, "vMerge")
            goes_on = merged is not None and merged != "restart"
            text = above.get(column, "") if goes_on else self._flat(cell)
            above[column] = text
            cells.append(Cell(text=text, columns=columns))
            column += columns
        heads = properties is not None and bool(switched_on(properties, "tblHeader"))
        yield TableRow(cells=cells, heads=heads)

    def _flat(self, node: Node) -> str:
        """What stands in a cell or a note, on one line."""
        held = self._writer, self._in_cell
        self._writer, self._in_cell = Writer(), True
        self._blocks(node)
        text = self._writer.flat()
        self._writer, self._in_cell = held
        return text

    # --- inside a paragraph ----------------------------------------------------------------------

    def _inline(self, parent: Node) -> None:
        for node in parent:
            name = _name(node)
            if name == "r":
                self._run(node)
            elif name == "t":
                self._writer.say((node.text or "").replace(BREAK, " "))
            elif name in _SIGNS:
                self._writer.say(_SIGNS[name])
            elif name in _NOTES:
                self._cite(f"{_NOTES[name]} {node.get(f'{W}id')}")
            elif name == "txbxContent":
                self._boxes.append(node)
            elif name == "AlternateContent":
                self._inline(_choice(node))
            elif name not in _LEFT_OUT:
                self._inline(node)

    def _run(self, node: Node) -> None:
        if reason := self._hidden(node.find(f"{W}rPr")):
            self._drop(reason, "".join(each.text or "" for each in node.iter(f"{W}t")))
        else:
            self._inline(node)

    def _hidden(self, run: Node) -> str:
        if self._styles.vanishes(run, self._paragraph):
            return "hidden text"
        if run is None:
            return ""
        size = value(run, "sz")
        if size is not None and size.isdecimal() and int(size) <= _TINY:
            return "type too small to read"
        if (value(run, "color") or "").lower() in _WHITE and self._on_white(run):
            return "white text on white paper"
        return ""

    def _on_white(self, run: Node) -> bool:
        """Whether nothing coloured lies behind a run; in a table the style may fill its cells."""
        shades = [n.find(f"{W}shd") for n in (run, self._paragraph) if n is not None]
        fills = [shade.get(f"{W}fill") for shade in shades if shade is not None]
        marked = value(run, "highlight") not in (None, "none", "white")
        return not self._in_cell and not marked and all(f in _NO_FILL for f in map(_lower, fills))

    def _drop(self, reason: str, text: str) -> None:
        text = " ".join(text.split())
        if text:
            self.dropped[reason] += len(text)
            self.samples[reason] = f"{self.samples.get(reason, '')} {text}"[:_SAMPLE]

    def _cite(self, key: str) -> None:
        if key in self._notes:
            if key not in self._cited:
                self._cited.append(key)
            self._writer.say(f"[{self._cited.index(key) + 1}]")


def _name(node: Node) -> str:
    """The element's name without its namespace; empty for comments."""
    return node.tag.rpartition("}")[2] if isinstance(node.tag, str) else ""


def _choice(node: Node) -> Node:
    """The first of several renderings of the same thing."""
    return next(iter(node), ())


def _cells(row: Node) -> Iterator[Node]:
    """The cells of a row, those in content controls included."""
    for node in row:
        if _name(node) == "tc":
            yield node
        elif _name(node) in ("sdt", "sdtContent", "customXml", "ins"):
            yield from _cells(node)


def _count(said: str | None, otherwise: int) -> int:
    return int(said) if said and said.isdecimal() and len(said) < 4 else otherwise


def _lower(said: str | None) -> str | None:
    return said.lower() if said else said
