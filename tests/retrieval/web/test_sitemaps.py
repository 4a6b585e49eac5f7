import gzip
from typing import TYPE_CHECKING

import pytest

from fairlead.retrieval.loaders.loaded import Malformed
from fairlead.retrieval.records import Validators
from fairlead.retrieval.web.answers import Page
from fairlead.retrieval.web.fetching import Fetcher
from fairlead.retrieval.web.sitemaps import sitemap
from fairlead.retrieval.web.visits import Site, Visit

if TYPE_CHECKING:
    from tests.retrieval.web.conftest import Server

HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
NAMES = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'


def urlset(*urls: str) -> str:
    rows = "".join(f"<url><loc>\n{url} </loc><lastmod>2026-03-01</lastmod></url>" for url in urls)
    return f"{HEAD}<urlset {NAMES}>{rows}</urlset>"


def index(*urls: str) -> str:
    rows = "".join(f"<sitemap><loc>{url}</loc></sitemap>" for url in urls)
    return f"{HEAD}<sitemapindex {NAMES}>{rows}</sitemapindex>"


def page(data: bytes | str, content_type: str = "application/xml") -> Page:
    return Page(
        data=data.encode() if isinstance(data, str) else data,
        content_type=content_type,
        charset="",
        validators=Validators(url="https://x.example/"),
        fetched_at="",
    )


def site(fetcher: Fetcher, server: "Server", most: int = 100, *more: str) -> Site:
    return Site(fetcher, [server.host, *more], lambda url: None, 10_000_000, most)


def read(visits: list[Visit]) -> list[str]:
    return [visit.url.rpartition("/")[2] for visit in visits if visit.page]


def test_what_a_sitemap_lists() -> None:
    found = sitemap(page(urlset("https://x.example/a?b&amp;c", "https://x.example/ü", "")), 9999)
    assert found and not found.index
    assert found.urls == ("https://x.example/a?b&c", "https://x.example/ü")
    packed = page(gzip.compress(index("https://x.example/s.xml").encode()), "application/gzip")
    inner = sitemap(packed, 9999)
    assert inner and inner.index and inner.urls == ("https://x.example/s.xml",)


@pytest.mark.parametrize(
    "other",
    [
        page("<html><body><urlset></urlset>", "text/html"),
        page("<rss><channel></channel></rss>"),
        page(b"\x1f\x8b", "application/pdf"),
        page(gzip.compress(b"plain"), ""),
        page("words on <urlsets>", "text/plain"),
    ],
)
def test_what_is_none(other: Page) -> None:
    assert sitemap(other, 9999) is None


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (f"{HEAD}<!DOCTYPE urlset [<!ENTITY a 'b'>]><urlset>&a;</urlset>", "document type"),
        ("<urlset ><url>", "is a broken sitemap"),
        (gzip.compress(b"<urlset>" + b" " * 5_000_000), "is a bomb|is longer"),
        (b"\x1f\x8bbroken", "cannot be unpacked"),
    ],
)
def test_broken_ones_say_why(data: bytes | str, reason: str) -> None:
    for limit in (1_000_000, 10_000_000):
        with pytest.raises(Malformed, match=reason):
            sitemap(page(data), limit)


def test_every_page_of_a_sitemap_is_visited_once(server: "Server", fetcher: Fetcher) -> None:
    for name in "abc":
        server.html(f"/{name}", name)
    root = server.url("/sitemap.xml")
    first, second = server.url("/one.xml"), server.url("/two.xml.gz")
    server.page("/sitemap.xml", index(first, second), Content_Type="text/xml")
    server.page("/one.xml", urlset(server.url("/a"), server.url("/b#x"), server.url("/b")))
    packed = gzip.compress(urlset(server.url("/c"), server.url("/a")).encode())
    server.page("/two.xml.gz", packed, Content_Type="application/x-gzip")
    visits = site(fetcher, server)
    found = list(visits.visit(root))
    assert read(found) == ["a", "b", "c"]
    assert [visit.origin for visit in found] == [f"{root}/{visit.url}" for visit in found]
    assert (visits.complete, visits.warnings) == ([root], [])
    assert list(visits.visit(server.url("/a"))) == []


def test_a_page_alone_is_its_own_origin(server: "Server", fetcher: Fetcher) -> None:
    server.html("/a", "a")
    visits = site(fetcher, server)
    (visit,) = visits.visit(server.url("/a"))
    assert visit.page and visit.origin == visit.url == server.url("/a")
    assert visits.complete == []


def test_pages_of_other_hosts_are_left_out(server: "Server", fetcher: Fetcher) -> None:
    server.html("/a", "a")
    urls = (server.url("/a"), "https://other.example/b", "https://docs.example/c")
    server.page("/s.xml", urlset(*urls))
    root = server.url("/s.xml")
    visits = Site(fetcher, [server.host], lambda url: None, 9999)
    assert read(list(visits.visit(root))) == ["a"]
    assert "lists 2 pages of other hosts" in visits.warnings[0]
    fetching = Fetcher(
        [server.host, "docs.example"], resolve=lambda h, p: ["127.0.0.1" if p > 999 else "10.0.0.1"]
    )
    wider = Site(fetching, [server.host, "docs.example"], lambda url: None, 9999)
    assert [visit.url for visit in wider.visit(root) if visit.url.startswith("https:")] == [
        "https://docs.example/c"
    ]


def test_a_long_one_is_cut_and_nothing_counts_as_vanished(
    server: "Server", fetcher: Fetcher
) -> None:
    for at in range(5):
        server.html(f"/{at}", "text")
    server.page("/s.xml", urlset(*(server.url(f"/{at}") for at in range(5))))
    visits = site(fetcher, server, 3)
    assert read(list(visits.visit(server.url("/s.xml")))) == ["0", "1", "2"]
    assert "lists 5 pages; the first 3 were read, and nothing was pruned" in visits.warnings[0]
    assert visits.complete == []


def test_what_cannot_be_read_comes_with_its_reason(server: "Server", fetcher: Fetcher) -> None:
    server.html("/a", "a")
    server.page("/gone", status=410)
    server.page("/locked", status=403)
    urls = [server.url(path) for path in ("/a", "/gone", "/locked")]
    server.page("/s.xml", urlset(*urls, "ftp://127.0.0.1/x", "http://127.0.0.1:1/y"))
    found = {visit.url: visit for visit in site(fetcher, server).visit(server.url("/s.xml"))}
    assert found[server.url("/gone")].gone and not found[server.url("/locked")].gone
    assert "has the scheme 'ftp'" in found["ftp://127.0.0.1/x"].reason
    assert "names the port 1" in found["http://127.0.0.1:1/y"].reason


def test_a_part_that_is_missing_spares_everything(server: "Server", fetcher: Fetcher) -> None:
    server.html("/a", "a")
    server.page("/s.xml", index(server.url("/one.xml"), server.url("/none.xml"), server.url("/a")))
    server.page("/one.xml", urlset(server.url("/a")))
    root = server.url("/s.xml")
    visits = site(fetcher, server)
    found = list(visits.visit(root))
    assert [(visit.origin, visit.reason) for visit in found if visit.reason] == [
        (root, "is not there: the server answers 404 Not Found"),
        (root, "is no sitemap"),
    ]
    assert read(found) == ["a"] and visits.complete == []


def test_an_index_that_lists_itself_ends(
    server: "Server", fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fairlead.retrieval.web.visits._MAPS", 3)
    urls = [server.url(f"/s.xml?{at}") for at in range(9)]
    server.page("/s.xml", index(server.url("/s.xml"), *urls))
    visits = site(fetcher, server)
    found = list(visits.visit(server.url("/s.xml")))
    assert {visit.reason for visit in found} == {"is one sitemap too many: 3 are read"}
    assert len(server.paths()) == 3 and visits.complete == []
