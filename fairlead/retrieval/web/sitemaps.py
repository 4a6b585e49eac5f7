"""Sitemaps: which pages a site lists."""

import re
from dataclasses import dataclass
from typing import Final
from xml.parsers import expat

from fairlead.retrieval.loaders.loaded import Malformed
from fairlead.retrieval.web.answers import Page
from fairlead.retrieval.web.bodies import unzipped

_GZIP: Final = b"\x1f\x8b"
_ROOT: Final = re.compile(rb"<(?:[\w.-]{1,40}:)?(urlset|sitemapindex)[\s>]")
_LOOKED_AT: Final = 4096
"""Bytes in which the root element of a sitemap stands."""
_TYPES: Final = frozenset(
    """
    application/xml text/xml application/gzip application/x-gzip application/octet-stream
    binary/octet-stream text/plain
    """.split()
)
_LISTED: Final = 100_000
"""Twice what the protocol allows in one file."""


@dataclass(frozen=True, kw_only=True)
class Sitemap:
    """URLs of pages, or of further sitemaps."""

    urls: tuple[str, ...]
    index: bool


def sitemap(page: Page, limit: int) -> Sitemap | None:
    """The sitemap that a page is, packed or not; None where it is something else.

    Raises `Malformed` for one that is broken, or larger than `limit` bytes unpacked.
    """
    data = page.data or b""
    if page.content_type and page.content_type not in _TYPES:
        return None
    if data.startswith(_GZIP):
        data = unzipped(data, limit)
    found = _ROOT.search(data[:_LOOKED_AT])
    return _parsed(data, index=found[1] == b"sitemapindex") if found else None


def _parsed(data: bytes, *, index: bool) -> Sitemap:
    urls: list[str] = []
    said: list[str] = []
    path: list[str] = []

    def begin(name: str, _: object) -> None:
        path.append(name.rpartition(":")[2])
        said.clear()

    def text(part: str) -> None:
        if path[-1] == "loc":
            said.append(part)

    def end(_: str) -> None:
        if path[-2:] in (["url", "loc"], ["sitemap", "loc"]) and len(urls) < _LISTED:
            urls.append("".join(said).strip())
        path.pop()

    def doctype(*_: object) -> None:
        raise Malformed("is a sitemap with a document type, which none needs")

    parser = expat.ParserCreate()
    parser.StartElementHandler = begin
    parser.CharacterDataHandler = text
    parser.EndElementHandler = end
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise Malformed(f"is a broken sitemap: {error}") from None
    return Sitemap(urls=tuple(dict.fromkeys(url for url in urls if url)), index=index)
