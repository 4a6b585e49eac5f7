"""Pages one by one: the one that was named, or those that a sitemap lists."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from fairlead.retrieval.loaders.loaded import Malformed
from fairlead.retrieval.records import Validators
from fairlead.retrieval.web.addresses import target
from fairlead.retrieval.web.answers import Gone, Page
from fairlead.retrieval.web.fetching import Fetcher
from fairlead.retrieval.web.sitemaps import Sitemap, sitemap

_MOST: Final = 5000
"""Pages that are read of one sitemap."""
_MAPS: Final = 200
"""Sitemaps that are read of one index."""


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One page, or why there is none. `origin` is the URL, or `SITEMAP/URL`.

    `gone`: the server says so, and what is stored of it may be pruned.
    """

    url: str
    origin: str
    page: Page | None = None
    reason: str = ""
    gone: bool = False


class Site:
    """Visits pages for one run, none of them twice.

    `complete` are the sitemaps of which every page was visited: what is stored below them and was
    not met has vanished. `known` gives the validators of an earlier visit. `limit` is in bytes.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        allow_hosts: Sequence[str],
        known: Callable[[str], Validators | None],
        limit: int,
        most: int = _MOST,
    ) -> None:
        self.complete: list[str] = []
        self.warnings: list[str] = []
        self._fetcher = fetcher
        self._allow_hosts = allow_hosts
        self._known = known
        self._limit = limit
        self._most = most
        self._visited: set[str] = set()

    def visit(self, url: str) -> Iterator[Visit]:
        """The page at a URL, or every page of the sitemap there. Reasons come as visits too."""
        if url in self._visited:
            return
        self._visited.add(url)
        try:
            page = self._fetcher.fetch(url, self._known(url))
            found = sitemap(page, self._limit)
        except Malformed as error:
            gone = isinstance(error, Gone)
            yield Visit(url=url, origin=url, reason=str(error), gone=gone)
        else:
            if found is None:
                yield Visit(url=url, origin=url, page=page)
            else:
                yield from self._listed(url, found)

    def _listed(self, root: str, first: Sitemap) -> Iterator[Visit]:
        """The pages of a sitemap, or of the sitemaps in an index, which come first of all."""
        urls, failed = self._gathered(root, first)
        for url, reason in failed.items():
            yield Visit(url=url, origin=root, reason=reason)
        own = [url for url in urls if self._belongs(url, root)]
        if others := len(urls) - len(own):
            advice = "name their hosts in policy.allow_hosts to read them"
            self.warnings.append(f"{root!r} lists {others} pages of other hosts; {advice}")
        if len(own) > self._most:
            said = f"{root!r} lists {len(own)} pages; the first {self._most} were read"
            self.warnings.append(f"{said}, and nothing was pruned")
        elif not failed:
            self.complete.append(root)
        for url in own[: self._most]:
            yield from self._page(root, url)

    def _gathered(self, root: str, first: Sitemap) -> tuple[list[str], dict[str, str]]:
        """The URLs that sitemaps list, and the sitemaps that cannot be read with their reasons."""
        urls: dict[str, None] = {}
        failed: dict[str, str] = {}
        known = {root}
        waiting = [first]
        while waiting:
            found = waiting.pop(0)
            if not found.index:
                urls |= dict.fromkeys(found.urls)
                continue
            for url in found.urls:
                if url in known:
                    continue
                known.add(url)
                try:
                    waiting.append(self._part(url, len(known)))
                except Malformed as error:
                    failed[url] = str(error)
        return list(urls), failed

    def _part(self, url: str, number: int) -> Sitemap:
        """A sitemap that an index lists."""
        if number > _MAPS:
            raise Malformed(f"is one sitemap too many: {_MAPS} are read")
        found = sitemap(self._fetcher.fetch(url), self._limit)
        if found is None:
            raise Malformed("is no sitemap")
        return found

    def _belongs(self, url: str, root: str) -> bool:
        """Whether a listed page is of the sitemap's own host, or of one that is allowed."""
        try:
            page = target(url, self._allow_hosts)
        except Malformed:
            return True  # it is visited, and refused with its reason
        return page.trusted or page.host == target(root, self._allow_hosts).host

    def _page(self, root: str, listed: str) -> Iterator[Visit]:
        url = listed
        try:
            url = target(listed, self._allow_hosts).url
            if url in self._visited:
                return
            self._visited.add(url)
            page = self._fetcher.fetch(url, self._known(url))
            yield Visit(url=url, origin=f"{root}/{url}", page=page)
        except Malformed as error:
            gone = isinstance(error, Gone)
            yield Visit(url=url, origin=f"{root}/{url}", reason=str(error), gone=gone)
