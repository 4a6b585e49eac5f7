"""Metadata as tags that a server can filter by exactly, and conditions as sets of tags.

Weaviate filters properties that a class declares, each with an index of its own for every tenant;
documents bring what metadata they like. So all of it goes into one property, as keys: one for each
way that a value can be read (see `filters`), and for numbers and moments one for each beginning of
their sortable form, of which a range is a small set.
"""

import struct
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from fairlead.retrieval.filters import Filter, Reading, as_flag, is_flag, readings
from fairlead.retrieval.weaviate.names import key
from fairlead.schema import Json

_DIGITS = "0123456789abcdef"


@dataclass(frozen=True, kw_only=True)
class Condition:
    """What a chunk's tags have to hold one of, or for a negative one, none of."""

    tags: tuple[str, ...]
    negative: bool = False


def field_key(name: str) -> str:
    """The tag of whatever has the field."""
    return key("field", name)


def tags(values: Mapping[str, Json]) -> list[str]:
    """Everything that a document's fields can be found by."""
    found: dict[str, None] = {}
    for name, value in values.items():
        for read in readings(value):
            found[field_key(name)] = None
            found.update(dict.fromkeys(_tags(name, read)))
    return list(found)


def _tags(name: str, read: Reading) -> Iterator[str]:
    if read.word is not None:
        yield key("word", name, read.word)
        if read.word.lower() in ("true", "false"):
            yield key("spelt", name, read.word.lower())
    for kind, value in (("number", read.number), ("moment", read.moment)):
        if value is not None:
            whole = _sortable(value).rstrip("0")
            yield key(kind, name, whole)
            for size in range(1, len(whole) + 1):
                yield key(f"{kind} from", name, whole[:size])


def orders_words(wanted: Filter) -> bool:
    """Whether a condition puts words in order: then it has to be told which words there are."""
    return wanted.operator in ("gte", "lte") and any(
        wanted.compares(read) == "word" and not is_flag(read.word) for read in wanted.readings
    )


def condition(wanted: Filter, words: Collection[Reading] = ()) -> Condition:
    """The tags of a condition; `words` is what the field holds, where it orders words."""
    if wanted.operator == "exists":
        return Condition(tags=(field_key(wanted.field),), negative=not wanted.wanted)
    found: dict[str, None] = {}
    for read in wanted.readings:
        if wanted.operator in ("gte", "lte"):
            found.update(dict.fromkeys(_ordering(wanted, read, words)))
        else:
            found.update(dict.fromkeys(_equal(wanted, read)))
    return Condition(tags=tuple(found), negative=wanted.operator == "ne")


def _equal(wanted: Filter, read: Reading) -> Iterator[str]:
    name, way = wanted.field, wanted.compares(read)
    if way != "word":
        value = read.number if way == "number" else read.moment
        assert value is not None, "that is why it is compared so"
        yield key(way, name, _sortable(value).rstrip("0"))
        return
    assert read.word is not None, "a scalar has a word"
    yield key("word", name, read.word)
    if is_flag(read.word):
        yield key("spelt", name, read.word[1:])
    elif wanted.kind == "any" and (flag := as_flag(read.word)) != read.word:
        yield key("word", name, flag)


def _ordering(wanted: Filter, read: Reading, words: Collection[Reading]) -> Iterator[str]:
    way, rising = wanted.compares(read), wanted.operator == "gte"
    value = read.number if way == "number" else read.moment
    if way != "word":
        assert value is not None, "that is why it is compared so"
        yield from _range(way, wanted.field, _sortable(value), rising)
    elif not is_flag(read.word):
        assert read.word is not None, "a scalar has a word"
        for each in words:
            if each.word is None or each.word < "\x02":  # nothing, or a flag
                continue
            plain = each.number is None and each.moment is None
            if plain or wanted.kind == "string":
                if each.word >= read.word if rising else each.word <= read.word:
                    yield key("word", wanted.field, each.word)


def _range(kind: str, name: str, bound: str, rising: bool) -> Iterator[str]:
    """Tags of all values from the bound on, or up to it."""
    yield key(kind, name, bound.rstrip("0"))
    for at, digit in enumerate(bound):
        before = bound[:at]
        beyond = _DIGITS[_DIGITS.index(digit) + 1 :] if rising else _DIGITS[: _DIGITS.index(digit)]
        for other in beyond:
            yield key(f"{kind} from", name, before + other)
        if not rising and beyond:  # what goes on with nothing but zeros has no longer beginning
            yield key(kind, name, before.rstrip("0"))


def _sortable(value: float) -> str:
    """Sixteen hexadecimal digits that order as the numbers do."""
    bits = int(struct.unpack(">Q", struct.pack(">d", value + 0.0))[0])
    bits = bits ^ 0xFFFF_FFFF_FFFF_FFFF if bits >> 63 else bits | 1 << 63
    return f"{bits:016x}"
