import gzip
import zlib
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

import pytest

from fairlead.retrieval.loaders.loaded import Malformed
from fairlead.retrieval.records import Validators
from fairlead.retrieval.web.fetching import Fetcher

if TYPE_CHECKING:
    from tests.retrieval.web.conftest import Server


def test_a_page_with_what_its_server_says(server: "Server", fetcher: Fetcher) -> None:
    server.page(
        "/a",
        "Grüße".encode("cp1252"),
        Content_Type="text/plain; charset=windows-1252",
        ETag='"1"',
        Last_Modified="Sun, 01 Mar 2026 10:00:00 GMT",
    )
    page = fetcher.fetch(server.url("/a?b=c#d"))
    assert page.data == "Grüße".encode("cp1252")
    assert (page.content_type, page.charset) == ("text/plain", "windows-1252")
    assert page.validators == Validators(
        url=server.url("/a?b=c"), etag='"1"', last_modified="Sun, 01 Mar 2026 10:00:00 GMT"
    )
    assert page.last_modified() == "2026-03-01T10:00:00Z"
    assert page.fetched_at.endswith("Z")
    assert server.paths() == ["/a?b=c"]


def test_what_is_sent_is_little(
    server: "Server", fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    server.page("/a", "x", Set_Cookie="session=1", Content_Type="text/plain")
    fetcher.fetch(server.url("/a"))
    fetcher.fetch(server.url("/a"))
    sent = server.asked[-1][1]
    assert sorted(sent) == ["Accept", "Accept-Encoding", "Connection", "Host", "User-Agent"]
    assert (sent["User-Agent"], sent["Host"]) == ("fairlead", server.host)
    assert "br" not in sent["Accept-Encoding"]


def test_a_page_that_is_what_it_was(server: "Server", fetcher: Fetcher) -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        same = request.headers.get("If-None-Match") == '"1"'
        request.send_response(304 if same else 200)
        request.send_header("ETag", '"1"')
        request.end_headers()
        if not same:
            request.wfile.write(b"text")

    server.pages["/a"] = answer
    first = fetcher.fetch(server.url("/a"))
    assert first.data == b"text"
    assert fetcher.fetch(server.url("/a"), first.validators).data is None
    elsewhere = Validators(url=server.url("/b"), etag='"1"')
    assert fetcher.fetch(server.url("/a"), elsewhere).data == b"text"
    evil = Validators(url=server.url("/a"), etag='"1"\r\nX: y')
    assert fetcher.fetch(server.url("/a"), evil).data == b"text"


# --- redirects -----------------------------------------------------------------------------------


def test_redirects_are_followed_by_hand(server: "Server", fetcher: Fetcher) -> None:
    server.redirect("/a", "/b", 301)
    server.redirect("/b", server.url("/c"), 308)
    server.html("/c", "there")
    page = fetcher.fetch(server.url("/a"))
    assert page.validators.url == server.url("/c") and b"there" in (page.data or b"")


def test_redirects_end(server: "Server", fetcher: Fetcher) -> None:
    server.redirect("/a", "/a")
    with pytest.raises(Malformed, match="redirects more than 5 times"):
        fetcher.fetch(server.url("/a"))
    assert server.paths() == ["/a"] * 6


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://169.254.169.254/latest/meta-data/", "is at 169.254.169.254, which is not public"),
        ("http://10.0.0.1/", "is at 10.0.0.1, which is not public"),
        ("http://localhost/", "which is not public"),
        ("http://[::1]/", "which is not public"),
        ("http://127.0.0.1:1/", "names the port 1"),
        ("file:///etc/passwd", "has the scheme 'file'"),
        ("gopher://127.0.0.1/", "has the scheme 'gopher'"),
        ("http://2130706433/", "spells an address oddly"),
        ("http://127.0.0.1@8.8.8.8/", "carries a user name"),
    ],
)
def test_a_redirect_is_judged_like_a_first_address(
    server: "Server", fetcher: Fetcher, location: str, reason: str
) -> None:
    server.redirect("/a", location)
    with pytest.raises(Malformed, match=reason):
        fetcher.fetch(server.url("/a"))


def test_a_redirect_without_a_target_is_no_page(server: "Server", fetcher: Fetcher) -> None:
    server.page("/a", status=302)
    with pytest.raises(Malformed, match="the server answers 302"):
        fetcher.fetch(server.url("/a"))


# --- where the host is ---------------------------------------------------------------------------


def test_private_addresses_are_refused_without_a_connection(server: "Server") -> None:
    outside = Fetcher()
    for url in ("http://127.0.0.1/", "http://localhost/", "http://[::1]/", "http://10.0.0.1/"):
        with pytest.raises(Malformed, match="which is not public"):
            outside.fetch(url)
    with pytest.raises(Malformed, match="names the port"):
        outside.fetch(server.url("/a"))
    assert server.asked == []


def test_a_name_that_resolves_anew_is_not_asked_again(server: "Server") -> None:
    """DNS rebinding: good at the first look, private at the second."""
    answers = iter(["127.0.0.1", "10.0.0.1", "169.254.169.254"])
    looks: list[str] = []

    def rebinding(host: str, port: int) -> Sequence[str]:
        looks.append(host)
        return [next(answers)]

    name = f"wiki.example:{server.port}"
    fetcher = Fetcher([name], resolve=rebinding)
    server.redirect("/a", "/b")
    server.html("/b", "there")
    for _ in range(3):
        page = fetcher.fetch(f"http://{name}/a")
        assert page.validators.url == f"http://{name}/b"
    assert looks == ["wiki.example"]
    assert server.asked[-1][1]["Host"] == name


def test_a_name_for_something_private_is_refused(server: "Server") -> None:
    inside = Fetcher(resolve=lambda host, port: ["192.168.1.1"])
    with pytest.raises(Malformed, match=r"'docs.example.com' is at 192\.168\.1\.1"):
        inside.fetch("https://docs.example.com/")
    metadata = Fetcher(["docs.example.com"], resolve=lambda host, port: ["169.254.169.254"])
    with pytest.raises(Malformed, match=r"is at 169\.254\.169\.254, which is not public"):
        metadata.fetch("http://docs.example.com/")


def test_the_next_address_is_tried(server: "Server") -> None:
    name = f"wiki.example:{server.port}"
    server.html("/a", "there")
    fetcher = Fetcher([name], resolve=lambda host, port: ["127.0.0.2", "::1", "127.0.0.1"])
    assert b"there" in (fetcher.fetch(f"http://{name}/a").data or b"")


# --- robots --------------------------------------------------------------------------------------


def test_robots_are_asked_once_and_obeyed(
    server: "Server", fetcher: Fetcher, pauses: list[float]
) -> None:
    rules = "User-agent: *\nDisallow: /\n\nUser-agent: Fairlead\nDisallow: /no\nCrawl-delay: 60\n"
    server.page("/robots.txt", rules)
    server.html("/a", "a")
    server.redirect("/b", "/no/c")
    server.html("/no/c", "c")
    fetcher.fetch(server.url("/a"))
    fetcher.fetch(server.url("/a"))
    assert 9 < sum(pauses) <= 10
    for path in ("/no/c", "/b"):
        with pytest.raises(Malformed, match=r"robots.txt of '127\.0\.0\.1' disallows it"):
            fetcher.fetch(server.url(path))
    assert [path for path, _ in server.asked].count("/robots.txt") == 1
    assert server.paths() == ["/a", "/a", "/b"]


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_host_without_robots_allows_everything(
    server: "Server", fetcher: Fetcher, status: int
) -> None:
    server.page("/robots.txt", "Disallow: /", status=status)
    server.html("/a", "a")
    assert fetcher.fetch(server.url("/a")).data


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_host_that_cannot_be_asked_allows_nothing(
    server: "Server", fetcher: Fetcher, status: int
) -> None:
    server.page("/robots.txt", status=status)
    server.html("/a", "a")
    with pytest.raises(Malformed, match=f"since robots.txt of .* answers {status}"):
        fetcher.fetch(server.url("/a"))
    assert server.paths() == []


def test_robots_elsewhere_count_and_private_ones_do_not(server: "Server", fetcher: Fetcher) -> None:
    server.redirect("/robots.txt", "/elsewhere.txt")
    server.page("/elsewhere.txt", "\ufeffUser-agent: *\nDisallow: /a")
    with pytest.raises(Malformed, match="disallows it"):
        fetcher.fetch(server.url("/a"))
    server.redirect("/robots.txt", "http://10.0.0.1/robots.txt")
    with pytest.raises(Malformed, match=r"since robots.txt of .* which is not public"):
        Fetcher([server.host]).fetch(server.url("/a"))


# --- bodies --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(b"text " * 99)),
        ("x-gzip", gzip.compress(b"text " * 9) + gzip.compress(b"text " * 90)),
        ("deflate", zlib.compress(b"text " * 99)),
        ("deflate", zlib.compress(b"text " * 99, wbits=-15)),
        ("identity", b"text " * 99),
    ],
)
def test_packed_bodies(server: "Server", fetcher: Fetcher, encoding: str, packed: bytes) -> None:
    server.page("/a", packed, Content_Encoding=encoding)
    assert fetcher.fetch(server.url("/a")).data == b"text " * 99


def test_bombs_are_refused_at_once(server: "Server", fetcher: Fetcher) -> None:
    bomb = gzip.compress(b"\0" * 100_000_000)
    assert len(bomb) < 100_000
    server.page("/a", bomb, Content_Encoding="gzip")
    with pytest.raises(Malformed, match="is longer than 2 MB"):
        fetcher.fetch(server.url("/a"))
    server.page("/a", bomb[:60_000], Content_Encoding="gzip")
    with pytest.raises(Malformed, match="is a bomb: it unpacks to more than 200 times"):
        Fetcher([server.host]).fetch(server.url("/a"))
    twice = gzip.compress(bomb)
    server.page("/a", twice, Content_Encoding="gzip, gzip")
    with pytest.raises(Malformed, match="is packed as 'gzip, gzip', which was not asked for"):
        fetcher.fetch(server.url("/a"))


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, br"])
def test_other_packings_are_refused(server: "Server", fetcher: Fetcher, encoding: str) -> None:
    server.page("/a", b"xxxx", Content_Encoding=encoding)
    with pytest.raises(Malformed, match="which was not asked for"):
        fetcher.fetch(server.url("/a"))


def test_bodies_that_are_not_packed_as_they_say(server: "Server", fetcher: Fetcher) -> None:
    for encoding in ("gzip", "deflate"):
        server.page("/a", b"plain text", Content_Encoding=encoding)
        with pytest.raises(Malformed, match="is packed in a way that cannot be unpacked"):
            fetcher.fetch(server.url("/a"))
    server.page("/a", gzip.compress(b"text " * 99)[:-20], Content_Encoding="gzip")
    with pytest.raises(Malformed, match="the connection ended before the page did"):
        fetcher.fetch(server.url("/a"))


def test_long_bodies(server: "Server", fetcher: Fetcher) -> None:
    server.page("/said", b"x", Content_Length="3000000")
    server.page("/unsaid", b"x" * 2_100_000, Transfer_Encoding="identity")
    for path in ("/said", "/unsaid"):
        with pytest.raises(Malformed, match="is longer than 2 MB"):
            fetcher.fetch(server.url(path))


def test_chunks(server: "Server", fetcher: Fetcher) -> None:
    server.page("/a", b"5\r\nhello\r\n0\r\n\r\n", Transfer_Encoding="chunked")
    assert fetcher.fetch(server.url("/a")).data == b"hello"
