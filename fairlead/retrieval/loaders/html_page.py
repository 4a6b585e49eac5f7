"""An HTML page as Markdown of what its reader sees."""

from selectolax.lexbor import LexborHTMLParser

from fairlead.retrieval.loaders.decoding import page_charset
from fairlead.retrieval.loaders.hiding import Sight
from fairlead.retrieval.loaders.html_head import Head
from fairlead.retrieval.loaders.html_text import PageText
from fairlead.retrieval.loaders.loaded import Loaded, Malformed, Remark
from fairlead.retrieval.loaders.styles import Styles

_MAIN = "main, article, [role=main i], [role=article i]"
_BROKEN = 0.01
"""Share of characters that may be undecodable in a page that is still read."""


def load(data: bytes, name: str, charset: str = "") -> Loaded:
    """The visible text. Raises `Malformed` where there is none, or it cannot be decoded."""
    codec = page_charset(data, charset)
    text = data.decode(codec, "replace").lstrip("\ufeff").replace("\0", "")
    if not text.strip():
        raise Malformed("is empty")
    broken = text.count("\ufffd")
    if broken > len(text) * _BROKEN:
        raise Malformed(f"is not {codec!r}, and declares nothing else; save it as UTF-8")
    tree = LexborHTMLParser(text)
    styles = Styles(tree)
    page, visible = _read(tree, styles)
    head = Head(tree)
    author = head.author()
    return Loaded(
        text=visible,
        markup="markdown",
        title=head.title(),
        url=head.canonical(),
        published_at=head.published_at(),
        language=head.language(),
        metadata={"author": author} if author else {},
        remarks=(*_hidden(page), *_assurance(styles), *_mended(broken)),
    )


def _read(tree: LexborHTMLParser, styles: Styles) -> tuple[PageText, str]:
    """The walk and its text: of the main content, of everything where that is empty."""
    root = tree.root
    if root is None:
        raise Malformed("is empty")
    unknown = styles.external > 0
    sight = Sight(text=None, ground=None) if unknown else Sight()
    for main in dict.fromkeys((tree.css_first(_MAIN) is not None, False)):
        page = PageText(styles, main=main)
        text = page.render(root, sight)
        if any(map(str.isalnum, text)):
            return page, text
    scripts = ": it is made by scripts" if tree.css_first("script") is not None else ""
    raise Malformed(f"has no visible text{scripts}")


def _hidden(page: PageText) -> list[Remark]:
    return [
        Remark(
            kind="hidden_text",
            detail=f"{reason}: {count} characters were left out",
            quoted=page.samples[reason],
        )
        for reason, count in sorted(page.dropped.items())
    ]


def _assurance(styles: Styles) -> list[Remark]:
    found = []
    if styles.external:
        sheets = "style sheet was" if styles.external == 1 else "style sheets were"
        found.append(f"{styles.external} linked {sheets} not read: what they hide is in the text")
    if not styles.complete:
        found.append("it has too many style rules to apply them all")
    return [Remark(kind="reduced_assurance", detail=detail) for detail in found]


def _mended(broken: int) -> list[Remark]:
    detail = f"{broken} character{'' if broken == 1 else 's'} could not be decoded"
    return [Remark(kind="repaired", detail=detail)] if broken else []
