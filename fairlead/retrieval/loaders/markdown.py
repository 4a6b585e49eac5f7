"""Markdown, verbatim, with its front matter."""

from fairlead.retrieval.chunkers import first_heading
from fairlead.retrieval.frontmatter import front_matter
from fairlead.retrieval.loaders.decoding import decoded
from fairlead.retrieval.loaders.loaded import Loaded, Malformed


def load(data: bytes, name: str, charset: str = "") -> Loaded:
    """The text as it stands. Raises `Malformed` where nothing stands below the front matter."""
    text = decoded(data, charset)
    if not text.strip():
        raise Malformed("is empty")
    matter = front_matter(text)
    if not text[matter.end :].strip():
        raise Malformed("has no text below its front matter")
    return Loaded(
        text=text,
        markup="markdown",
        body=matter.end,
        title=matter.title or first_heading(text, matter.end),
        url=matter.url,
        published_at=matter.published_at,
        valid_until=matter.valid_until,
        language=matter.language,
        metadata=matter.metadata,
        acl=matter.acl,
    )
