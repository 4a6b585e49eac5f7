"""A PDF as Markdown: its lines, with headings by the size of their type and by its bookmarks."""

import io
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

from pypdf import PageObject, PasswordType, PdfReader
from pypdf.errors import DependencyError, PyPdfError

from fairlead.retrieval.loaders.loaded import LONGEST, Loaded, Malformed, Remark, too_long
from fairlead.retrieval.loaders.paper_pages import joined
from fairlead.retrieval.loaders.pdf_lines import (
    Bookmark,
    Line,
    headed,
    lines_of,
    storable,
    without_running_lines,
)
from fairlead.retrieval.loaders.pdf_paint import Layer, Paint
from fairlead.retrieval.times import utc

_Told = TypeVar("_Told")

_HIDDEN: Final = {
    "unpainted": "text that is never painted",
    "white": "white text on white paper",
}
_NO_TITLES: Final = ("microsoft word", "untitled", "untitled document", "powerpoint presentation")
_PAGES: Final = 5000
_SAMPLE: Final = 10_000


def load(data: bytes, name: str, charset: str = "") -> Loaded:
    """The visible text. Raises `Malformed` where it is locked, broken, or has no text."""
    try:
        return _read(_opened(data))
    except DependencyError:
        advice = "save it without encryption, or pip install cryptography"
        raise Malformed(f"is encrypted with AES: {advice}") from None
    except (PyPdfError, RecursionError) as error:
        raise Malformed(f"is a broken PDF: {error}") from None


def _opened(data: bytes) -> PdfReader:
    """The file, unlocked where its password is empty."""
    if not data.strip():
        raise Malformed("is empty")
    reader = PdfReader(io.BytesIO(data))
    if reader.is_encrypted and reader.decrypt("") == PasswordType.NOT_DECRYPTED:
        raise Malformed("is encrypted: save it without a password")
    return reader


def _read(reader: PdfReader) -> Loaded:
    count = len(reader.pages)
    if count > _PAGES:
        raise Malformed(f"has {count} pages, more than {_PAGES:,}; split it")
    pages: list[list[Line]] = []
    hidden: Counter[str] = Counter()
    samples: dict[str, str] = {}
    size = recognised = 0
    for page in reader.pages:
        lines, dropped, over_image = _page(page)
        recognised += over_image
        pages.append(lines)
        size += sum(len(line.text) for line in lines)
        if size > LONGEST:
            raise too_long()
        for layer, text in dropped.items():
            hidden[layer] += len(text)
            samples[layer] = f"{samples.get(layer, '')} {text}"[:_SAMPLE]
    if not any(char.isalnum() for page_lines in pages for line in page_lines for char in line.text):
        images = "images (scanned): run text recognition over it" if count else "empty"
        raise Malformed(f"has no text: its {count} pages are {images}")
    return Loaded(
        text=joined(headed(without_running_lines(pages), _told(lambda: _bookmarks(reader)) or [])),
        markup="markdown",
        title=_title(_said(reader, "/Title")),
        published_at=_told(lambda: _published(reader)) or "",
        language=_language(reader),
        metadata=_author(_said(reader, "/Author")),
        remarks=(*_remarks(hidden, samples), *_scans(recognised)),
    )


def _page(page: PageObject) -> tuple[list[Line], dict[Layer, str], bool]:
    """The lines that can be seen, the text that cannot, and whether the lines lie over a scan.

    Text recognition puts what it read, unpainted, over the image of the page: where a page has
    nothing else to read, that is its text.
    """
    lines, paint = _layer(page, "visible")
    dropped: dict[Layer, str] = {}
    for layer in sorted(paint.others):
        found = _layer(page, layer)[0]
        text = " ".join(" ".join(line.text for line in found).split())
        if text:
            dropped[layer] = text
            if layer == "unpainted" and paint.images and not lines:
                return found, {}, True
    return lines, dropped, False


def _layer(page: PageObject, wanted: Layer) -> tuple[list[Line], Paint]:
    paint = Paint(wanted)
    lines = lines_of(page, paint)
    return lines, paint


def _remarks(hidden: Counter[str], samples: dict[str, str]) -> Iterator[Remark]:
    for layer, count in sorted(hidden.items()):
        detail = f"{_HIDDEN[layer]}: {count} characters were left out"
        yield Remark(kind="hidden_text", detail=detail, quoted=samples[layer])


def _scans(recognised: int) -> list[Remark]:
    if not recognised:
        return []
    pages = "1 page is a scan" if recognised == 1 else f"{recognised} pages are scans"
    detail = f"{pages}: its text was recognised, and what the image shows may differ"
    return [Remark(kind="reduced_assurance", detail=detail)]


def _told(read: Callable[[], _Told]) -> _Told | None:
    """What the file says of itself; None where that part of it is broken."""
    try:
        return read()
    except Exception:  # whatever a parser makes of broken data; the text itself is good
        return None


def _bookmarks(reader: PdfReader) -> list[Bookmark]:
    found: list[Bookmark] = []
    waiting: list[Iterator[Any]] = [iter(reader.outline)]  # of entries and lists of them
    while waiting and len(found) < _PAGES:
        entry = next(waiting[-1], None)
        if entry is None:
            waiting.pop()
        elif isinstance(entry, list):
            waiting.append(iter(entry))
        else:
            page = reader.get_destination_page_number(entry)
            if page is not None and entry.title:
                found.append(Bookmark(page=page, level=len(waiting), title=str(entry.title)))
    return found


def _said(reader: PdfReader, name: str) -> str:
    value = _told(lambda: reader.metadata and reader.metadata.get(name))
    return " ".join(storable(str(value or "")).split())


def _title(said: str) -> str:
    return "" if said.lower().startswith(_NO_TITLES) or len(said) > 300 else said


def _author(said: str) -> dict[str, str]:
    return {"author": said} if 0 < len(said) <= 80 else {}


def _published(reader: PdfReader) -> str:
    metadata = reader.metadata
    moment = metadata and (metadata.creation_date or metadata.modification_date)
    return utc(moment) if moment else ""


def _language(reader: PdfReader) -> str:
    said = str(_told(lambda: reader.root_object.get("/Lang")) or "").strip()
    return said if len(said) <= 20 and said.replace("-", "").isalnum() else ""
