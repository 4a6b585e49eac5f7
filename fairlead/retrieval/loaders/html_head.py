"""What a page says of itself: title, dates, language, address, author."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from selectolax.lexbor import LexborHTMLParser

from fairlead.errors import InputError
from fairlead.retrieval.times import parse_time, utc

_PUBLISHED: Final = (
    "article:published_time", "og:published_time", "datepublished", "dc.date.issued",
    "dcterms.issued", "citation_publication_date", "citation_date", "parsely-pub-date",
    "sailthru.date", "pubdate", "publish-date", "dc.date", "dcterms.date", "dcterms.created",
    "dc.date.created", "date",
)  # fmt: skip
_MODIFIED: Final = (
    "article:modified_time", "og:updated_time", "datemodified", "dcterms.modified",
    "last-modified", "revised",
)  # fmt: skip
_TAG: Final = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8})*")
_LONGEST_TITLE: Final = 300
_LONGEST_NAME: Final = 80
_JSON_LD: Final = 200_000
"""Characters of one JSON-LD block that is read."""
_DEEPEST: Final = 8


class Head:
    """Reads a page's own description of itself; everything is empty where it says nothing."""

    def __init__(self, tree: LexborHTMLParser) -> None:
        self._tree = tree
        self._meta: dict[str, str] = {}
        for node in tree.css("meta[content], [itemprop][datetime]"):
            attributes = node.attributes
            value = (attributes.get("content") or attributes.get("datetime") or "").strip()
            for key in ("property", "name", "itemprop", "http-equiv"):
                if name := (attributes.get(key) or "").strip().lower():
                    self._meta.setdefault(name, value)

    def title(self) -> str:
        """The page's title, else the one for other sites."""
        node = self._tree.css_first("head > title")
        said = node.text() if node else ""
        said = " ".join((said or self._meta.get("og:title", "")).split())
        return said[:_LONGEST_TITLE]

    def language(self) -> str:
        """A language tag such as `de-AT`."""
        root = self._tree.css_first("html")
        attributes = root.attributes if root else {}
        said = [attributes.get("lang"), attributes.get("xml:lang")]
        said += [self._meta.get("content-language"), self._meta.get("og:locale")]
        tags = [text.strip() for text in said if text]
        return next((t.replace("_", "-") for t in tags if _TAG.fullmatch(t)), "")

    def published_at(self) -> str:
        """When it was first published, else when it was last changed."""
        structured = list(self._structured())
        candidates = [self._meta.get(name) for name in _PUBLISHED]
        candidates += [entry.get("datePublished") for entry in structured]
        candidates += self._times()
        candidates += [entry.get("dateCreated") for entry in structured]
        candidates += [self._meta.get(name) for name in _MODIFIED]
        candidates += [entry.get("dateModified") for entry in structured]
        return next((moment for said in candidates if (moment := _moment(said))), "")

    def canonical(self) -> str:
        """The address that the page calls its own."""
        node = self._tree.css_first("link[rel~='canonical' i][href]")
        said = node.attributes.get("href") if node else ""
        return (said or self._meta.get("og:url", "")).strip()

    def author(self) -> str:
        """A name, where it is short enough to be one."""
        said = " ".join(self._meta.get("author", "").split())
        return said if len(said) <= _LONGEST_NAME else ""

    def _times(self) -> list[str | None]:
        marked = self._tree.css_first("time[pubdate][datetime]")
        within = self._tree.css_first("article time[datetime], main time[datetime]")
        return [node.attributes.get("datetime") for node in (marked, within) if node]

    def _structured(self) -> Iterator[dict[str, Any]]:
        """The objects of the page's JSON-LD."""
        for node in self._tree.css("script[type='application/ld+json' i]"):
            text = node.text()
            if len(text) <= _JSON_LD:
                try:
                    yield from _objects(json.loads(text))
                except (ValueError, RecursionError):
                    continue


def _objects(value: Any, depth: int = 0) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list) and depth < _DEEPEST:
        for each in value:
            yield from _objects(each, depth + 1)


def _moment(said: object) -> str:
    if not isinstance(said, str) or not said:
        return ""
    text = said.strip().replace("/", "-")
    if re.fullmatch(r"\d{4}", text):
        return ""  # a year alone is no date
    try:
        return utc(parse_time(text))
    except InputError:
        pass
    try:
        return utc(datetime.strptime(text[:10], "%Y-%m-%d"))
    except ValueError:
        return ""
