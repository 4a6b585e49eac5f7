"""What may stand on a span: no content unless capture is on, nothing endless, one line of error.

The rules err on the side of leaving out: of an exception that is not ours only the type is kept,
since its message may repeat what a user or a document said.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from fairlead.errors import FairleadError
from fairlead.tracing.names import CONTENT, REASONS, AttributeValue

VALUE_BYTES: Final = 16_384
"""UTF-8 bytes of one attribute value; longer ones are cut and say so."""
MESSAGE_LIMIT: Final = 200
"""Characters of an error message."""
_QUOTED: Final = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`[^`]*`|“[^”]*”""")
_TELLING: Final = re.compile(
    r"""\S+@\S+                    # e-mail addresses, and logins in URLs
      | \b[a-z][a-z0-9+.-]*://\S+  # URLs
      | [A-Za-z0-9_\-+/=]{24,}     # keys, tokens, digests
      | \d{6,}                     # numbers of cards, accounts, phones""",
    re.VERBOSE,
)
_GONE: Final = "…"


def without_content(attributes: Mapping[str, AttributeValue]) -> Mapping[str, AttributeValue]:
    """The attributes without those that carry content, and reasons without what they quote."""
    if CONTENT.isdisjoint(attributes) and REASONS.isdisjoint(attributes):
        return attributes
    return {
        name: _unquoted(str(value)) if name in REASONS else value
        for name, value in attributes.items()
        if name not in CONTENT
    }


@lru_cache(maxsize=512)  # most reasons are of few kinds
def _unquoted(text: str) -> str:
    return _TELLING.sub(_GONE, _QUOTED.sub(_GONE, text))


def shortened(attributes: Mapping[str, AttributeValue]) -> dict[str, AttributeValue]:
    """A copy whose strings are valid UTF-8 of at most `VALUE_BYTES`; a cut one says so."""
    kept = dict(attributes)
    for name, value in attributes.items():
        if isinstance(value, str):
            if len(value) > VALUE_BYTES // 4 or not value.isascii():
                kept[name] = _cut(value)
        elif isinstance(value, (list, tuple)):
            kept[name] = [_cut(each) if isinstance(each, str) else each for each in value]
    return kept


def _cut(value: str) -> str:
    whole = value.encode("utf-8", "replace")  # lone surrogates become question marks
    if len(whole) <= VALUE_BYTES:
        return whole.decode()
    mark = f"… [cut: {len(whole)} bytes]"
    room = VALUE_BYTES - len(mark.encode())
    return whole[:room].decode("utf-8", "ignore") + mark


def described(error: BaseException) -> tuple[str, str]:
    """`error.type` and a message for it: our own words only."""
    own = isinstance(error, (FairleadError, TimeoutError))
    if isinstance(error, OSError) and not own:
        return type(error).__qualname__, error.strerror or ""
    return type(error).__qualname__, str(error) if own else ""


def one_line(message: str, *, content: bool) -> str:
    """The first line, cut short; without `content` also without what it quotes or gives away."""
    line = message.strip().partition("\n")[0]
    if not content:
        line = _unquoted(line)
    return line if len(line) <= MESSAGE_LIMIT else line[: MESSAGE_LIMIT - 1] + _GONE
