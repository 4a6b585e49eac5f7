"""Numbers, amounts, dates and times of a text, in forms that compare.

`1,000`, `1 000` and `1000` are the same number, `thirty days` and `30 days` the same amount,
`2 May 2026`, `May 2nd, 2026` and `2026-05-02` the same day, `3 pm` and `15:00` the same time.
A number whose mark may divide thousands or decimals (`1.250`) counts as either.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Final

from fairlead.agents.words import fold

_MONTHS: Final = {
    name: number
    for number, names in enumerate(
        ("january jan", "february feb", "march mar", "april apr", "may", "june jun", "july jul",
         "august aug", "september sept sep", "october oct", "november nov", "december dec"),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
_WORDS: Final = {
    word: number
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
        "fifteen sixteen seventeen eighteen nineteen twenty".split()
    )
} | {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
     "hundred": 100, "thousand": 1000, "dozen": 12}  # fmt: skip
_UNITS: Final = {
    word: names.split()[0]
    for names in (
        "day days", "week weeks", "month months", "year years yr yrs", "hour hours h hrs",
        "minute minutes min mins", "second seconds sec secs", "percent % percentage",
        "eur euro euros €", "usd $ dollar dollars", "gbp £ pound pounds", "chf franc francs",
        "nok krone kroner", "kg kilogram kilograms kilo kilos", "g gram grams",
        "km kilometre kilometres kilometer kilometers", "m metre metres meter meters",
        "cm centimetre centimetres centimeter centimeters", "mm", "gb gigabyte gigabytes",
        "mb megabyte megabytes", "degree degrees °", "ms milliseconds millisecond",
    )
    for word in names.split()
}  # fmt: skip
_KINDS: Final = {"working": "working ", "business": "working ", "calendar": ""}
_MONTH: Final = "|".join(sorted(_MONTHS, key=len, reverse=True))
_WORD: Final = "|".join(sorted(_WORDS, key=len, reverse=True))
_SIGNS: Final = r"[€$£]|\b(?:eur|usd|gbp|chf|nok)\b"
_DATE: Final = re.compile(
    rf"(?<!\d)(?P<y>\d{{4}})-(?P<m>\d{{2}})(?:-(?P<d>\d{{2}}))?(?![\d-])"
    rf"|(?<![\d.])(?P<d2>\d{{1,2}})(?:st|nd|rd|th|\.)?\s+(?:of\s+)?(?P<m2>{_MONTH})\b\.?,?"
    rf"(?:\s+(?P<y2>\d{{4}})\b)?"
    rf"|\b(?P<m3>{_MONTH})\b\.?\s+(?P<d3>\d{{1,2}})(?:st|nd|rd|th)?\b(?:,?\s+(?P<y3>\d{{4}})\b)?"
    rf"|\b(?P<m4>{_MONTH})\b\.?,?\s+(?P<y4>\d{{4}})\b"
    rf"|(?<![\d.])(?P<d5>\d{{1,2}})\.(?P<m5>\d{{1,2}})\.(?P<y5>\d{{4}})(?!\d)"
    rf"|(?<![\d/])(?P<a6>\d{{1,2}})/(?P<b6>\d{{1,2}})/(?P<y6>\d{{4}})(?![\d/])"
)
_TIME: Final = re.compile(
    r"(?<![\d:.])(?P<h>\d{1,2})(?::(?P<min>\d{2}))?\s*(?P<half>am|pm|a\.m\.|p\.m\.)(?!\w)"
    r"|(?<![\d:.])(?P<h2>\d{1,2}):(?P<min2>\d{2})(?::\d{2})?(?![\d:])"
)
_NUMBER: Final = re.compile(
    rf"(?P<sign>{_SIGNS})?\s?"
    rf"(?:(?<![\w.,])(?P<digits>\d{{1,3}}(?:[ '\u2019\u202f\u00a0]\d{{3}})+(?!\d)(?:[.,]\d+)?"
    rf"|\d+(?:[.,]\d+)*)(?:st|nd|rd|th)?"
    rf"|\b(?P<word>{_WORD})(?:-(?P<word2>{_WORD}))?\b)"
    rf"(?:\s?-?(?P<kind>working|business|calendar))?"
    rf"(?:[\s-]?(?P<unit>[a-z]+\b|[%€$£°]))?"
)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One number, day or time. `values` are its readings: any of them may be meant."""

    values: frozenset[str]
    unit: str = ""
    """Empty where none is known; `day` and `time` of the clock are units too."""
    said: str
    worded: bool = False
    """Whether it was written as a word."""


def figures(text: str) -> list[Figure]:
    """The figures of a text, in order of kind: dates, times, numbers."""
    return list(_figures(text))


@lru_cache(maxsize=512)  # a passage's are asked for with every sentence that cites it
def _figures(text: str) -> tuple[Figure, ...]:
    rest = fold(text)
    found: list[Figure] = []
    for pattern, read in ((_DATE, _date), (_TIME, _time)):
        for match in pattern.finditer(rest):
            figure = read(match)
            if figure:
                found.append(figure)
        rest = pattern.sub(lambda m: " " * len(m[0]) if _read(m) else m[0], rest)
    return (*found, *_numbers(rest))


def holds(known: Iterable[Figure], figure: Figure) -> bool:
    """Whether one of the known figures says the same. A unit that only one of them has is let be,
    and so are parts of a date that only one of them has."""
    return any(
        _same(one, figure)
        for one in known
        if one.unit == figure.unit or not one.unit or not figure.unit
    )


def _same(one: Figure, other: Figure) -> bool:
    if one.unit == other.unit == "date":
        return any(_agree(a, b) for a in one.values for b in other.values)
    return bool(_bare(one) & _bare(other))


def _bare(figure: Figure) -> frozenset[str]:
    """Its readings; of a date its year, which may stand alone elsewhere."""
    if figure.unit != "date":
        return figure.values
    return frozenset(value.partition("/")[0] for value in figure.values)


def _agree(one: str, other: str) -> bool:
    """Whether two dates, as year-month-day with * for what is not said, can be the same."""
    pairs = zip(one.split("/"), other.split("/"), strict=True)
    return all(a == b or "*" in (a, b) for a, b in pairs)


def _read(found: re.Match[str]) -> Figure | None:
    return _date(found) if found.re is _DATE else _time(found)


def _date(found: re.Match[str]) -> Figure | None:
    part = {key[0]: value for key, value in found.groupdict().items() if value}
    year, month, day = part.get("y", "*"), part.get("m", "0"), part.get("d", "*")
    ways = [(_MONTHS.get(month) or int(month), day)]
    if "a" in part:  # day and month, or month and day
        ways = [(int(part["b"]), part["a"]), (int(part["a"]), part["b"])]
    values = {
        f"{year}/{number}/{one if one == '*' else int(one)}"
        for number, one in ways
        if 1 <= number <= 12 and (one == "*" or 1 <= int(one) <= 31)
    }
    return Figure(values=frozenset(values), unit="date", said=found[0].strip()) if values else None


def _time(found: re.Match[str]) -> Figure | None:
    hour = int(found["h"] or found["h2"])
    minute = int(found["min"] or found["min2"] or 0)
    if found["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found["half"].startswith("p") else 0)
    if hour > 24 or minute > 59:
        return None
    return Figure(values=frozenset({f"{hour}:{minute:02}"}), unit="time", said=found[0].strip())


def _numbers(text: str) -> Iterator[Figure]:
    at = 0
    while found := _NUMBER.search(text, at):
        at = found.end()
        unit = _UNITS.get(found["unit"] or "", "") or _UNITS.get(found["sign"] or "", "")
        if found["unit"] and found["unit"] not in _UNITS:
            at = found.start("unit")  # it is a word of its own, perhaps a number
        if unit and found["kind"]:
            unit = _KINDS[found["kind"]] + unit
        said = text[found.start() : at].strip()
        if found["digits"]:
            yield Figure(values=_readings(found["digits"]), unit=unit, said=said)
        else:
            value = _WORDS[found["word"]] + _WORDS.get(found["word2"] or "", 0)
            yield Figure(values=frozenset({str(value)}), unit=unit, said=said, worded=True)


def _readings(digits: str) -> frozenset[str]:
    """`1,250` is 1250 or 1.25; `1,250.5` and `1.250,5` are 1250.5; `1.2.3` is itself."""
    plain = re.sub(r"[ '\u2019\u202f\u00a0]", "", digits)
    marks = re.findall(r"[.,]", plain)
    if not marks:
        return frozenset({_shortest(plain)})
    whole, _, tail = plain.rpartition(marks[-1])
    found = {plain}
    if len(marks) == 1 or (len(set(marks)) == 2 and marks.count(marks[-1]) == 1):
        found.add(_shortest(f"{re.sub('[.,]', '', whole)}.{tail}"))
    if len(set(marks)) == 1 and re.fullmatch(r"\d{1,3}(?:[.,]\d{3})+", plain):
        found.add(_shortest(re.sub("[.,]", "", plain)))
    return frozenset(found)


def _shortest(number: str) -> str:
    value = Decimal(number).normalize()
    return f"{value:f}"
