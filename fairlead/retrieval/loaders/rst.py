"""reStructuredText, verbatim; docutils reads the title and the fields at its head.

Only the head: docutils reads less than 100 kB a second. Nothing is included from other files, raw
markup stays what it is, and what Sphinx adds (roles, directives) is not minded.
"""

import re
from typing import Any, Final

from docutils import nodes
from docutils.core import publish_doctree

from fairlead.errors import InputError
from fairlead.retrieval.loaders.decoding import decoded
from fairlead.retrieval.loaders.loaded import Loaded, Malformed
from fairlead.retrieval.loaders.rst_headings import headings
from fairlead.retrieval.times import parse_time, utc

_HEAD: Final = 8000
"""Characters in which title and fields are looked for."""
_SETTINGS: Final = {
    "_disable_config": True,
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "halt_level": 5,
    "report_level": 5,
    "input_encoding": "unicode",
    "smart_quotes": False,
    "syntax_highlight": "none",
    "toc_backlinks": False,
    "warning_stream": False,
}
_EXPIRY: Final = ("valid_until", "valid-until", "valid until")
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8})*")
_DATE: Final = re.compile(r"\d{4}-\d\d?-\d\d?(?:[T ][\d:.+Z-]+)?")


def load(data: bytes, name: str, charset: str = "") -> Loaded:
    """The text as it stands. Raises `Malformed` where it is empty or not text."""
    text = decoded(data, charset)
    if not text.strip():
        raise Malformed("is empty")
    tree = publish_doctree(_head(text), settings_overrides=_SETTINGS)
    fields = _fields(tree)
    expiry = next((fields.pop(key) for key in _EXPIRY if key in fields), "")
    valid_until = _moment(expiry)
    if expiry and not valid_until:
        raise Malformed(f"its field 'valid_until' is no time: {expiry!r}")
    language = fields.get("language", "")
    return Loaded(
        text=text,
        markup="rst",
        title=_title(tree) or next((title for *_, title in headings(text)), ""),
        published_at=_moment(fields.get("date", "")),
        valid_until=valid_until,
        version=fields.pop("version", ""),
        language=language if _LANGUAGE.fullmatch(language) else "",
        metadata=fields,
    )


def _head(text: str) -> str:
    """The beginning, up to a blank line."""
    if len(text) <= _HEAD:
        return text
    end = text.rfind("\n\n", 0, _HEAD)
    return text[: end if end > 0 else _HEAD]


def _title(tree: nodes.document) -> str:
    found = next(iter(tree.findall(nodes.title)), None)
    return " ".join(found.astext().split()) if found else ""


def _fields(tree: nodes.document) -> dict[str, Any]:
    """The document's own fields, names in lower case; empty ones are left out."""
    found: dict[str, Any] = {}
    for info in tree.findall(nodes.docinfo):
        for node in info:
            if isinstance(node, nodes.field):
                name, body = (" ".join(part.astext().split()) for part in node.children[:2])
            else:
                name, body = node.tagname, " ".join(node.astext().split())
            if name and body:
                found.setdefault(name.lower(), body)
    return found


def _moment(said: str) -> str:
    found = _DATE.search(said)
    try:
        return utc(parse_time(found[0])) if found else ""
    except InputError:
        return ""
