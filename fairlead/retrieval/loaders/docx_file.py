"""A DOCX file as Markdown: headings and lists by their styles, tables with their header row."""

import io
from datetime import datetime
from typing import Any, Final

from docx import Document
from docx.document import Document as Opened
from docx.opc.constants import RELATIONSHIP_TYPE as RELATED
from docx.opc.exceptions import PackageNotFoundError
from docx.oxml import parse_xml

from fairlead.retrieval.loaders.archive import check_archive
from fairlead.retrieval.loaders.docx_styles import Node, Numberings, Styles, W
from fairlead.retrieval.loaders.docx_text import BodyText
from fairlead.retrieval.loaders.loaded import Loaded, Malformed, Remark
from fairlead.retrieval.times import utc

_LOCKED: Final = bytes.fromhex("d0cf11e0a1b11ae1")
"""How the container begins in which Word keeps encrypted and old files."""
_TEMPLATE: Final = "2013-12-23T23:15:00Z"
"""Date of the template that python-docx starts from: files made with it often keep it."""
_LONGEST_NAME: Final = 80


def load(data: bytes, name: str, charset: str = "") -> Loaded:
    """The visible text. Raises `Malformed` where it is locked, a bomb, broken, or has no text."""
    if data.startswith(_LOCKED):
        raise Malformed("is encrypted, or in Word's format before 2007: save it as plain .docx")
    check_archive(data)
    try:
        document = Document(io.BytesIO(data))
    except (PackageNotFoundError, KeyError, ValueError) as error:
        raise Malformed(f"is no Word document: {error}") from None
    text = BodyText(Styles(document.styles.element), _numberings(document), _notes(document))
    visible = text.render(document.element.body)
    if not any(map(str.isalnum, visible)):
        raise Malformed("has no visible text")
    properties = _properties(document)
    return Loaded(
        text=visible,
        markup="markdown",
        title=text.title or properties.get("title", ""),
        published_at=properties.get("modified") or properties.get("created", ""),
        language=properties.get("language", ""),
        version=properties.get("version", ""),
        metadata={"author": properties["author"]} if properties.get("author") else {},
        remarks=tuple(
            Remark(
                kind="hidden_text",
                detail=f"{reason}: {count} characters were left out",
                quoted=text.samples[reason],
            )
            for reason, count in sorted(text.dropped.items())
        ),
    )


def _numberings(document: Opened) -> Numberings:
    return Numberings(_part(document, RELATED.NUMBERING))


def _notes(document: Opened) -> dict[str, Node]:
    """Footnotes and endnotes by what a reference to them says."""
    found: dict[str, Node] = {}
    for kind, relation in (("footnote", RELATED.FOOTNOTES), ("endnote", RELATED.ENDNOTES)):
        root = _part(document, relation)
        for node in () if root is None else root.iterfind(f"{W}{kind}"):
            found[f"{kind} {node.get(f'{W}id')}"] = node
    return found


def _part(document: Opened, relation: str) -> Node:
    """The root of another file in the package; None where there is none."""
    try:
        return parse_xml(document.part.part_related_by(relation).blob)
    except KeyError:
        return None


def _properties(document: Opened) -> dict[str, Any]:
    """The core properties that are set; python-docx would make up those of a file without any."""
    try:
        document.part.package.part_related_by(RELATED.CORE_PROPERTIES)
        core = document.core_properties
        said = {
            name: getattr(core, name)
            for name in ("title", "author", "language", "version", "created", "modified")
        }
    except (KeyError, ValueError, AttributeError):
        return {}
    dates = {name: utc(each) for name, each in said.items() if isinstance(each, datetime)}
    dates = {name: moment for name, moment in dates.items() if moment != _TEMPLATE}
    texts = {name: " ".join(each.split()) for name, each in said.items() if isinstance(each, str)}
    if len(texts.get("author", "")) > _LONGEST_NAME:
        del texts["author"]
    return {**texts, **dates}
