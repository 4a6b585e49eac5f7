"""Source code, verbatim; its title is the file's name with its ending."""

from fairlead.retrieval.loaders.decoding import decoded
from fairlead.retrieval.loaders.loaded import Loaded, Malformed


def load(data: bytes, name: str, charset: str = "") -> Loaded:
    """The code as it stands. Raises `Malformed` where it is empty or not text."""
    text = decoded(data, charset)
    if not text.strip():
        raise Malformed("is empty")
    return Loaded(text=text, markup="code", title=name)
