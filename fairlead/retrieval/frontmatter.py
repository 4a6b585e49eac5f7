"""The `key: value` lines between two `---` at the head of a Markdown file."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from fairlead.errors import InputError
from fairlead.retrieval.loaders.loaded import Malformed
from fairlead.retrieval.times import parse_time, utc
from fairlead.schema import Json

_BLOCK = re.compile(
    r"---[ \t]*\r?\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE
)
_PAIR = re.compile(r"([A-Za-z_][\w.-]*)[ \t]*:(?:[ \t]+(.*?))?[ \t]*\r?$")
_ITEM = re.compile(r"\s*-[ \t]+([^\s].*?)[ \t]*\r?$")
_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,15})?")
_DATES = ("published_at", "date", "published")


@dataclass(frozen=True, kw_only=True)
class FrontMatter:
    """What was read; `end` is the code point where the text below begins, 0 without a block."""

    end: int = 0
    title: str = ""
    url: str = ""
    language: str = ""
    published_at: str = ""
    valid_until: str = ""
    acl: tuple[str, ...] = ()
    metadata: Mapping[str, Json] = field(default_factory=dict)


def front_matter(text: str) -> FrontMatter:
    """Scalars and one-line lists; what is nested is left out. A malformed block is plain text.

    Raises `Malformed` for a `valid_until` that is no time: an expiry must not be overlooked.
    """
    block = _BLOCK.match(text)
    if not block:
        return FrontMatter()
    values = _pairs(block[1])
    if not values:
        return FrontMatter()
    published = next((moment for key in _DATES if (moment := _moment(values.get(key)))), "")
    return FrontMatter(
        end=block.end(),
        title=_taken(values, "title"),
        url=_taken(values, "url"),
        language=_taken(values, "language") or _taken(values, "lang"),
        published_at=published,
        valid_until=_expiry(values.pop("valid_until", None)),
        acl=_readers(values.pop("acl", None)),
        metadata=values,
    )


def _pairs(block: str) -> dict[str, Json]:
    values: dict[str, Json] = {}
    items: list[Json] = []
    for line in block.split("\n"):
        if pair := _PAIR.match(line):
            items = []
            value = _value(pair[2] or "")
            if value != "":
                values[pair[1]] = value
            elif not pair[2]:
                values[pair[1]] = items
        elif item := _ITEM.match(line):
            items.append(_scalar(item[1]))
    return {key: value for key, value in values.items() if value != [] or key == "acl"}


def _taken(values: dict[str, Json], key: str) -> str:
    value = values.pop(key, "")
    return value if isinstance(value, str) else str(value)


def _readers(value: Json) -> tuple[str, ...]:
    """A restriction is kept whatever its form: one name, several, or an empty list for nobody."""
    if value is None:
        return ()
    readers = value if isinstance(value, list) else [value]
    return tuple(str(each) for each in readers) or ("",)


def _moment(value: Json) -> str:
    if not isinstance(value, str):
        return ""
    try:
        return utc(parse_time(value))
    except InputError:
        return ""


def _expiry(value: Json) -> str:
    if value is None or value == []:
        return ""
    if moment := _moment(value):
        return moment
    raise Malformed(f"its front matter's 'valid_until' is no time: {value!r}")


def _value(text: str) -> Json:
    text = text.strip()
    if len(text) > 1 and text[0] == "[" and text[-1] == "]":
        return [_scalar(each.strip()) for each in text[1:-1].split(",") if each.strip()]
    return _scalar(text)


def _scalar(text: str) -> Json:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    if text in ("true", "false"):
        return text == "true"
    if text in ("|", ">", "|-", ">-", "null", "~", "{}"):
        return ""
    if _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return text
