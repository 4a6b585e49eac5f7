import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.agents.units import cut
from fairlead.retrieval.chunkers import estimate_tokens, open_chunker
from fairlead.retrieval.loaders.html_page import load
from fairlead.retrieval.loaders.loaded import Malformed


def text(body: str, head: str = "") -> str:
    page = f"<!doctype html><html><head>{head}</head><body>{body}</body></html>"
    return load(page.encode(), "page.html").text


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<h1>A <em>b</em></h1><h3>C</h3>text", "# A b\n\n### C\n\ntext\n"),
        ("<p>a\n  b<br>c</p><p>d", "a b\nc\n\nd\n"),
        ("one<div>two<span>three</span></div>four", "one\n\ntwothree\n\nfour\n"),
        ("<span style='display:block'>a</span>b", "a\n\nb\n"),
        ("<ul><li>a<li>b<ul><li>c</ul><li><p>d</p><p>e</p><li>f</ul>g",
         "- a\n- b\n  - c\n- d\n\n  e\n\n- f\n\ng\n"),
        ("<ol start=9><li>a<li>b</ol>", "9. a\n10. b\n"),
        ("<ul><li>a</ul><ol><li>b<pre>c</pre></ol>", "- a\n\n1. b\n\n   ```\n   c\n   ```\n"),
        ("<blockquote><p>a</p><p>b</p></blockquote><p>c", "> a\n>\n> b\n\nc\n"),
        ("<dl><dt>Term</dt><dd>what it is</dd><dt>Why?<dd>so</dl>",
         "Term:\n\n- what it is\n\nWhy?\n\n- so\n"),
        ("<pre class='x language-py y'><code>if a:\n    b = `1`\n</code></pre>",
         "```py\nif a:\n    b = `1`\n```\n"),
        ("<pre>a <b>b</b>\n\n```\n</pre>", "````\na b\n\n```\n````\n"),
        ("<div class=highlight-sh><pre><div>a</div><div>b</div></pre></div>", "```\na\nb\n```\n"),
        ("<p>Use <code>a | b</code> and <code>`</code>", "Use `a | b` and `\n"),
        ("<p>10<sup>-6</sup> m<sup>2</sup>, H<sub>2</sub>O, the 4<sup>th</sup>",
         "10⁻⁶ m², H2O, the 4th\n"),
        ("<p>was <del>20</del> 15, <q>so</q>", "was ~~20~~ 15, “so”\n"),
        ("<p>see <a href='https://x.example/y'>the page</a> <img alt='a chart' src=c.png>",
         "see the page a chart\n"),
        ("<p># a<p>- b<p>--- c<p>```<p>===<p>1. d<p>&lt;!-- e<p>:::f",
         "\\# a\n\n- b\n\n\\--- c\n\n\\```\n\n\\===\n\n1. d\n\n\\<!-- e\n\n\\:::f\n"),
        ("<ruby>漢<rp>(</rp><rt>kan</rt><rp>)</rp></ruby>", "漢kan\n"),
        ("<details><summary>Q</summary><p>A</p></details>", "Q\n\nA\n"),
        ("<button>Open</button><input value=x><select><option>y</select>", "Open\n"),
        ("<p>a\xa0b&nbsp;&#0;c", "a b �c\n"),
        ("<li>loose</li>", "- loose\n"),
        ("<center>a</center><unknown-element>b</unknown-element>", "a\n\nb\n"),
    ],
)  # fmt: skip
def test_a_page_becomes_markdown(body: str, expected: str) -> None:
    assert text(body) == expected


HEAD = "<tr><th>Country<th>Days</tr>"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (f"{HEAD}<tr><td>DE<td>30", "| Country | Days |\n| --- | --- |\n| DE | 30 |\n"),
        ("<thead><tr><td>a<td>b</thead><tr><td>c|d<td>e<br>f",
         "| a | b |\n| --- | --- |\n| c\\|d | e f |\n"),
        ("<tr><td>Country<td>Days<tr><td>DE<td>30",
         "| Country | Days |\n| --- | --- |\n| DE | 30 |\n"),
        ("<tr><td>DE<td>30<tr><td>FR<td>14", "|  |  |\n| --- | --- |\n| DE | 30 |\n| FR | 14 |\n"),
        ("<tr><th>a<td>1<tr><th>b<td>2", "|  |  |\n| --- | --- |\n| a | 1 |\n| b | 2 |\n"),
        (f"{HEAD}<tr><td rowspan=2>DE<td>30<tr><td>14",
         "| Country | Days |\n| --- | --- |\n| DE | 30 |\n| DE | 14 |\n"),
        ("<thead><tr><th rowspan=2>X<th colspan=2>Y<tr><th>p<th>q</thead><tr><td>1<td>2<td>3",
         "| X | Y p | Y q |\n| --- | --- | --- |\n| 1 | 2 | 3 |\n"),
        (f"{HEAD}<tr><td colspan=2>all<tr><td>a",
         "| Country | Days |\n| --- | --- |\n| all |  |\n| a |  |\n"),
        (f"<caption>Returns</caption>{HEAD}<tr><td>DE<td><ul><li>x<li>y</ul>",
         "Returns\n\n| Country | Days |\n| --- | --- |\n| DE | x y |\n"),
        (f"{HEAD}<tr><td>a<td><pre>b</pre>", "| Country | Days |\n| --- | --- |\n| a | b |\n"),
        ("<tr><td>left<td>right", "left\n\nright\n"),
        ("<tr><td><h2>left</h2><td>b<tr><td>c<td>d", "## left\n\nb\n\nc\n\nd\n"),
        (f"<tr><td>outer<td><table>{HEAD}<tr><td>a<td>b</table>",
         "outer\n\n| Country | Days |\n| --- | --- |\n| a | b |\n"),
    ],
)  # fmt: skip
def test_tables_become_pipe_tables(body: str, expected: str) -> None:
    assert text(f"<table>{body}</table>") == expected


def test_a_table_for_layout_is_none() -> None:
    table = f"<table role=presentation>{HEAD}<tr><td>a<td>b</table>"
    assert text(table) == "Country\n\nDays\n\na\n\nb\n"


def test_spans_without_end_are_cut() -> None:
    rows = "<tr><td colspan=99999 rowspan=65534>x" * 300
    assert len(text(f"<table>{rows}</table>")) < 5_000_000


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<nav>menu</nav><header>top</header><main>text</main><aside>ad</aside><footer>c", "text"),
        ("<div role=navigation>menu</div><div role=main>text</div><div role=contentinfo>c", "text"),
        ("<header>top</header><p>text</p><footer>foot", "top\n\ntext\n\nfoot"),
        ("<article><header>top</header><nav>parts</nav>text<aside>note</aside></article>",
         "top\n\nparts\n\ntext\n\nnote"),
        ("<header>only here</header><main></main>", "only here"),
    ],
)  # fmt: skip
def test_the_furniture_of_a_page_is_left_out(body: str, expected: str) -> None:
    assert text(body) == f"{expected}\n"


def test_what_a_page_says_of_itself() -> None:
    page = """<html lang="de-AT"><head><title> Rückgabe |
        Laden </title><link rel="canonical" href="https://x.example/r">
        <meta name="author" content="Eva"><meta name="date" content="2026-03-01">
        <style>x</style></head><body><h1>Rückgabe</h1>"""
    loaded = load(page.encode(), "r.html")
    assert (loaded.title, loaded.language, loaded.url) == (
        "Rückgabe | Laden",
        "de-AT",
        "https://x.example/r",
    )
    assert (loaded.published_at, loaded.metadata) == ("2026-03-01T00:00:00Z", {"author": "Eva"})


@pytest.mark.parametrize(
    ("head", "moment"),
    [
        ('<meta property="article:published_time" content="2026-03-01T10:00:00+01:00">',
         "2026-03-01T09:00:00Z"),
        ('<meta name="citation_date" content="2026/03/01">', "2026-03-01T00:00:00Z"),
        ('<meta itemprop="datePublished" content="2026-03-01 with words">', "2026-03-01T00:00:00Z"),
        ('<meta name="date" content="soon"><meta name="last-modified" content="2026-04-01">',
         "2026-04-01T00:00:00Z"),
        ('<meta name="date" content="2026">', ""),
        ('<script type="application/ld+json">{"@graph": [{"dateModified": "2026-05-01"},'
         ' {"datePublished": "2026-02-01"}]}</script>', "2026-02-01T00:00:00Z"),
        ('<script type="application/ld+json">{"dateModified": "2026-05-01"}</script>',
         "2026-05-01T00:00:00Z"),
        ('<script type="application/ld+json">{broken</script>', ""),
        (f'<script type="application/ld+json">{"[" * 5000}</script>', ""),
        ('</head><article><time datetime="2026-01-02">2 Jan</time></article>',
         "2026-01-02T00:00:00Z"),
        ('</head><footer><time datetime="2026-01-02">2 Jan</time></footer>', ""),
    ],
)  # fmt: skip
def test_dates(head: str, moment: str) -> None:
    assert load(f"<html><head>{head}<p>x".encode(), "p.html").published_at == moment


@pytest.mark.parametrize(
    ("page", "language", "title"),
    [
        ("<html lang=''><p>x", "", ""),
        ("<html lang=en_GB><p>x", "en-GB", ""),
        ("<html lang='../etc'><meta property=og:locale content=fr_FR><p>x", "fr-FR", ""),
        ("<meta property=og:title content='From  afar'><p>x", "", "From afar"),
        ("<svg><title>icon</title></svg><p>x", "", ""),
    ],
)
def test_language_and_title(page: str, language: str, title: str) -> None:
    loaded = load(page.encode(), "p.html")
    assert (loaded.language, loaded.title) == (language, title)


@pytest.mark.parametrize(
    ("data", "charset"),
    [
        ("<p>Größe €".encode(), ""),
        ("\ufeff<p>Größe €".encode(), "iso-8859-1"),
        ("<p>Größe €".encode("cp1252"), "ISO-8859-1"),
        ("<meta charset='windows-1252'><p>Größe €".encode("cp1252"), ""),
        ('<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-15">'
         "<p>Größe €".encode("iso8859-15"), ""),
        ("\ufeff<p>Größe €".encode("utf-16-le"), ""),
        ("<meta charset=utf-16><p>Größe €".encode(), ""),
    ],
)  # fmt: skip
def test_the_declared_charset_is_used(data: bytes, charset: str) -> None:
    assert load(data, "p.html", charset).text == "Größe €\n"


@pytest.mark.parametrize(
    ("data", "charset", "reason"),
    [
        (b"", "", "is empty"),
        (b" \n", "", "is empty"),
        ("<p>Größe für Übergänge".encode("cp1252"), "", "save it as UTF-8"),
        (b"<p>x", "utf-7", "a charset that is not read: 'utf-7'"),
        (b"<p>x", "klingon", "a charset that is not known: 'klingon'"),
        (b"<meta charset=unicode_escape><p>x", "", "a charset that is not read"),
        (b"<p hidden>secret", "", "has no visible text"),
        (b"<title>only a title</title>", "", "has no visible text"),
        (b"<div id=root></div><script>render()</script>", "", "it is made by scripts"),
        (b"<p> . \xc2\xa0 -", "", "has no visible text"),
    ],
)
def test_what_cannot_be_used_says_why(data: bytes, charset: str, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        load(data, "p.html", charset)


def test_a_stray_broken_byte_is_mended_and_said() -> None:
    loaded = load(b"<p>" + b"word " * 100 + b"\xff", "p.html")
    assert [each.detail for each in loaded.remarks] == ["1 character could not be decoded"]


def test_the_chunker_and_the_answerer_read_the_same_structure() -> None:
    markdown = text(
        "<h1>Returns</h1><p>How to return.</p><h2>Costs</h2><p>Fees:</p><ul><li>label 4 EUR</ul>"
        f"<table>{HEAD}<tr><td>DE<td>30</table>"
    )
    chunker = open_chunker("recursive:tokens=40")
    chunks = chunker.chunk(markdown, start=0, markup="markdown", count=estimate_tokens)
    assert [each.headings for each in chunks] == [
        ("Returns",),
        ("Returns", "Costs"),
    ]
    kinds = [unit.kind for unit in cut(markdown)]
    assert kinds == ["heading", "sentence", "heading", "sentence", "item", "row"]
    row = cut(markdown)[-1]
    assert markdown[slice(*row.lead[0])].startswith("| Country | Days |")


def test_depth_is_no_matter() -> None:
    page = "<div>" * 3000 + "deep" + "<span>" * 3000 + "er"
    assert load(page.encode(), "p.html").text == "deeper\n"


TAGS = (
    "a b div p ul ol li dl dt dd table tr td th thead pre code h1 h4 blockquote nav main style br"
)
MARKUP = st.lists(
    st.one_of(
        st.sampled_from([f"<{tag}>" for tag in TAGS.split()]),
        st.sampled_from([f"</{tag}>" for tag in TAGS.split()]),
        st.sampled_from(["<style>.a{display:none}b{", "}", "<p class=a hidden>", "<td colspan=3>"]),
        st.sampled_from(["<img alt=a>", "<p style='color:#fff;left:x", "'>", "<!--", "<![CDATA["]),
        st.text(max_size=20),
    ),
    max_size=60,
)  # fmt: skip


@given(MARKUP)
def test_any_markup_is_read_or_refused(parts: list[str]) -> None:
    try:
        loaded = load("".join(parts).encode("utf-8", "surrogatepass"), "p.html")
    except Malformed:
        return
    assert loaded.text.endswith("\n") and "\0" not in loaded.text
    loaded.text.encode()


@given(st.binary(max_size=300), st.sampled_from(["", "utf-8", "latin1", "shift_jis", "utf-16"]))
def test_any_bytes_are_read_or_refused(data: bytes, charset: str) -> None:
    try:
        load(data, "p.html", charset)
    except Malformed as error:
        assert str(error)
