"""What a reader of a page sees, as Markdown."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, Literal, TypeAlias

from selectolax.lexbor import LexborNode

from fairlead.retrieval.loaders.grid import Cell, TableRow, laid_out
from fairlead.retrieval.loaders.hiding import TELLING, Sight, hidden_by, seen_inside
from fairlead.retrieval.loaders.styles import Style, Styles
from fairlead.retrieval.loaders.writing import BREAK, Writer

_UNSEEN: Final = frozenset(
    """
    -comment -doctype annotation annotation-xml audio base canvas datalist embed frameset head
    iframe input link meta meter noembed noframes noscript object optgroup option param progress rp
    script select source style svg template textarea title track video
    """.split()
)
"""Machinery, other media, and what a form would send: no text of the page."""
_BLOCKS: Final = frozenset(
    """
    address article aside blockquote body caption center dd details dialog dir div dl dt fieldset
    figcaption figure footer form h1 h2 h3 h4 h5 h6 header hgroup hr html legend li main menu nav ol
    p pre search section summary table tbody td tfoot th thead tr ul
    """.split()
)
_BLOCK_DISPLAY: Final = frozenset("block flex grid list-item table table-row flow-root".split())
_HEADINGS: Final = {f"h{level}": level for level in range(1, 7)}
_LISTS: Final = frozenset({"ul", "ol", "menu", "dir"})
_CODE: Final = frozenset({"code", "kbd", "samp", "tt"})
_MARKS: Final = {"q": ("“", "”"), "del": ("~~", "~~"), "s": ("~~", "~~"), "strike": ("~~", "~~")}
_ROLES: Final = {
    "navigation": "nav",
    "banner": "header",
    "contentinfo": "footer",
    "complementary": "aside",
    "main": "main",
}
_RAISED: Final = str.maketrans("0123456789+-n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ")
_EXPONENT: Final = re.compile(r"\s*[0-9+n-]{1,6}\s*")
_LANGUAGE: Final = re.compile(r"\b(?:lang|language|highlight|brush)[-:]\s*([\w+#.-]{1,20})")
_LAYOUT: Final = "h1, h2, h3, h4, h5, h6, pre, form, blockquote, article, section"
"""What no cell of a table of data holds."""
_SAMPLE: Final = 10_000
"""Characters of hidden text that are looked at for instructions, for each way of hiding."""
_Mode: TypeAlias = Literal["flow", "cell", "verbatim"]
_Leave: TypeAlias = Callable[[], None] | None
_Entered: TypeAlias = tuple[Sight, _Leave] | None
"""What holds inside an element and what is done at its end; None to pass it by."""


class PageText:
    """Walks a page once. `dropped` counts the characters nobody sees, by how they were hidden.

    `main`: the page marks its main content, and its header, footer and asides are left out.
    """

    def __init__(self, styles: Styles, *, main: bool) -> None:
        self.dropped: Counter[str] = Counter()
        self.samples: dict[str, str] = {}
        self._styles = styles
        self._main = main
        self._writer = Writer()
        self._mode: _Mode = "flow"
        self._numbers: list[int | None] = []
        """The next number of each open list; None for bullets."""
        self._inside = 0
        """How many open elements hold main content."""
        self._mains: list[tuple[int, int]] = []
        """Where in what was written each `main` stands."""

    def render(self, root: LexborNode, sight: Sight) -> str:
        """The Markdown of an element and all in it.

        Only of the one `main`, where that holds at least half of what can be read.
        """
        self._walk(root, sight)
        text = self._writer.text()
        if len(self._mains) == 1:
            inner = self._writer.text(*self._mains[0])
            return inner if 2 * len(inner) >= len(text) else text
        return text

    def _walk(self, root: LexborNode, sight: Sight) -> None:
        """Goes through the tree without recursion: pages nest as deep as they like."""
        waiting: list[tuple[LexborNode | None, Sight, _Leave]] = [(root, sight, None)]
        while waiting:
            node, sight, leave = waiting.pop()
            if node is None:
                if leave:
                    leave()
                continue
            if node is not root and (following := node.next) is not None:
                waiting.append((following, sight, None))
            tag = node.tag or ""
            if tag == "-text":
                self._text(node, sight)
            elif tag not in _UNSEEN and (entered := self._enter(node, tag, sight)):
                inner, leave = entered
                if leave is not None:
                    waiting.append((None, inner, leave))
                if (child := node.first_child) is not None:
                    waiting.append((child, inner, None))

    def _text(self, node: LexborNode, sight: Sight) -> None:
        text = node.text(deep=False)
        if not text.isspace() and (reason := sight.hides()):
            self._drop(reason, text)
        else:
            self._writer.say(text.replace(BREAK, " ") if BREAK in text else text)

    def _drop(self, reason: str, text: str) -> None:
        text = " ".join(text.split())
        if text:
            self.dropped[reason] += len(text)
            self.samples[reason] = f"{self.samples.get(reason, '')} {text}"[:_SAMPLE]

    # --- one element -----------------------------------------------------------------------------

    def _enter(self, node: LexborNode, tag: str, sight: Sight) -> _Entered:
        seen = self._seen(node, tag, sight)
        if seen is None:
            return None
        sight, style = seen
        role = _ROLES.get((node.attributes.get("role") or "").lower(), tag)
        if not self._inside and (
            role == "nav" or (self._main and role in ("header", "footer", "aside"))
        ):
            return None
        if role in ("main", "article"):
            self._inside += 1
            return sight, partial(self._leave_main, self._writer.mark() if role == "main" else None)
        if tag not in _BLOCKS and style.get("display") not in _BLOCK_DISPLAY:
            return self._inline(node, tag, sight)
        if self._mode != "flow":
            gap = " " if self._mode == "cell" else "\n"
            return sight, lambda: self._writer.say(gap)
        self._writer.end_block()
        return self._block(node, tag, sight)

    def _seen(self, node: LexborNode, tag: str, sight: Sight) -> tuple[Sight, Style] | None:
        """What can be seen inside the element, and its style; None where nothing can."""
        attributes = node.attributes
        style = self._styles.of(node, attributes.get("style"))
        if reason := hidden_by(tag, attributes, style):
            self._drop(reason, node.text())
            return None
        if style or not TELLING.isdisjoint(attributes):
            sight = seen_inside(sight, tag, attributes, style)
        return sight, style

    def _leave_main(self, begin: int | None) -> None:
        self._inside -= 1
        end = self._writer.mark()
        if begin is not None:
            self._mains.append((begin, end))

    def _block(self, node: LexborNode, tag: str, sight: Sight) -> _Entered:
        writer = self._writer
        if level := _HEADINGS.get(tag):
            return sight, lambda: writer.end_block(level)
        if tag == "pre":
            writer.code(self._apart(node, sight, "verbatim"), _language(node))
            return None
        if tag == "table" and _holds_data(node):
            self._table(node, sight)
            return None
        if tag in _LISTS:
            self._numbers.append(_first_number(node) if tag == "ol" else None)
            return sight, self._leave_list
        if tag == "li":
            writer.open_item(self._marker())
            return sight, writer.close
        if tag == "blockquote":
            writer.open_quote()
            return sight, writer.close
        if tag == "dl":
            return sight, writer.end_list
        if tag == "dt":
            ending = "" if node.text().rstrip().endswith((":", "?")) else ":"
            return sight, partial(self._end_term, ending)
        if tag == "dd":
            writer.open_item("-")
            return sight, writer.close
        return sight, writer.end_block

    def _inline(self, node: LexborNode, tag: str, sight: Sight) -> _Entered:
        writer = self._writer
        if tag == "br":
            writer.say({"flow": BREAK, "cell": " ", "verbatim": "\n"}[self._mode])
        elif tag == "img":
            self._picture(node, sight)
        elif tag in _CODE and self._mode != "verbatim" and _is_short_code(node):
            writer.say("`")
            return sight, lambda: writer.say("`")
        elif tag in _MARKS:
            opening, closing = _MARKS[tag]
            writer.say(opening)
            return sight, lambda: writer.say(closing)
        elif tag == "sup" and _EXPONENT.fullmatch(said := node.text()) and not sight.hides():
            writer.say(said.strip().translate(_RAISED))
            return None
        return sight, None

    def _marker(self) -> str:
        number = self._numbers[-1] if self._numbers else None
        if number is None:
            return "-"
        self._numbers[-1] = number + 1
        return f"{number}."

    def _end_term(self, ending: str) -> None:
        self._writer.say(ending)
        self._writer.end_block()

    def _leave_list(self) -> None:
        self._numbers.pop()
        self._writer.end_list()

    def _picture(self, node: LexborNode, sight: Sight) -> None:
        """The text that stands for an image; one pixel is no image."""
        attributes = node.attributes
        size = {attributes.get("width"), attributes.get("height")}
        if sight.shown and size.isdisjoint({"0", "1", "0px", "1px"}):
            self._writer.say(f" {(attributes.get('alt') or '').replace(BREAK, ' ')} ")

    # --- what is read apart ----------------------------------------------------------------------

    def _apart(self, node: LexborNode, sight: Sight, mode: _Mode) -> str:
        """What stands in an element, on one line or as it stands."""
        held = self._writer, self._mode
        self._writer, self._mode = Writer(), mode
        self._walk(node, sight)
        text = self._writer.flat() if mode == "cell" else self._writer.raw()
        self._writer, self._mode = held
        return text

    def _table(self, table: LexborNode, sight: Sight) -> None:
        rows: list[TableRow] = []
        for part in table.iter():
            tag = part.tag or ""
            if tag == "caption":
                self._writer.say(self._apart(part, sight, "cell"))
                self._writer.end_block()
            elif tag == "tr":
                rows += self._row(part, sight, heads=False)
            elif tag in ("thead", "tbody", "tfoot") and (seen := self._seen(part, tag, sight)):
                for row in part.iter():
                    rows += self._row(row, seen[0], heads=tag == "thead")
        lines, header = laid_out(rows)
        if lines:
            self._writer.table(lines, header=header)

    def _row(self, row: LexborNode, sight: Sight, *, heads: bool) -> Iterator[TableRow]:
        seen = self._seen(row, row.tag or "", sight)
        if seen is None or row.tag != "tr":
            return
        cells = [
            Cell(
                text=self._apart(cell, seen[0], "cell"),
                columns=_span(cell, "colspan"),
                rows=_span(cell, "rowspan"),
                heading=cell.tag == "th",
            )
            for cell in row.iter()
            if cell.tag in ("td", "th") and self._seen(cell, cell.tag, seen[0])
        ]
        yield TableRow(cells=cells, heads=heads)


def _first_number(node: LexborNode) -> int:
    said = (node.attributes.get("start") or "").strip()
    return int(said) if said.isdecimal() and len(said) < 9 else 1


def _span(node: LexborNode, name: str) -> int:
    said = (node.attributes.get(name) or "").strip()
    return int(said) if said.isdecimal() and len(said) < 6 else 1


def _holds_data(table: LexborNode) -> bool:
    """Whether a table is one, and not a way to place things on the page."""
    if (table.attributes.get("role") or "").lower() in ("presentation", "none"):
        return False
    if len(table.css("table")) > 1:
        return False
    if table.css_first("th, thead") is not None:
        return True
    several = table.css_first("tr + tr") is not None and table.css_first("td + td") is not None
    return several and table.css_first(_LAYOUT) is None


def _is_short_code(node: LexborNode) -> bool:
    """Whether the code can stand between single backticks."""
    text = node.text().strip()
    return bool(text) and "`" not in text and "\n" not in text


def _language(node: LexborNode) -> str:
    inner = node.css_first("code")
    said = [node.attributes.get("class"), inner.attributes.get("class") if inner else None]
    found = _LANGUAGE.search(" ".join(filter(None, said)))
    return found[1] if found else ""
