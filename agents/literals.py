"""What a question says literally: numbers, dates, addresses, identifiers, names, arithmetic."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Final, Literal, TypeAlias

from fairlead.agents.words import fold, stem, stems, words

Kind = Literal[
    "number", "date", "email", "url", "quoted", "identifier", "expression", "zone", "name"
]
Value: TypeAlias = str | int | float
_Said: TypeAlias = tuple[Value, int, int]
"""A value, and the code points where it stands."""

_AROUND: Final = 60
"""Characters before and after a literal whose words describe it."""
_EMAIL: Final = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
_URL: Final = re.compile(r"https?://[^\s\"'<>)]+[^\s\"'<>).,;!?]")
_QUOTED: Final = re.compile(
    r"\"([^\"]{1,2000})\"|“([^”]{1,2000})”|«([^»]{1,2000})»|(?<!\w)'([^']{2,2000})'(?!\w)"
)
_MONTHS: Final = (
    "january february march april may june july august september october november december"
).split()
_MONTH: Final = "|".join(f"{name[:3]}(?:{name[3:]})?" for name in _MONTHS)
_ISO: Final = re.compile(r"\b(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})\b")
_DAY_FIRST: Final = re.compile(
    rf"\b(?P<day>\d{{1,2}})(?:st|nd|rd|th|\.)?\s+(?:of\s+)?(?P<month>{_MONTH})\.?,?\s+"
    r"(?P<year>\d{4})\b",
    re.IGNORECASE,
)
_MONTH_FIRST: Final = re.compile(
    rf"\b(?P<month>{_MONTH})\.?\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<year>\d{{4}})\b",
    re.IGNORECASE,
)
_NUMBER: Final = re.compile(
    r"(?<![\w.,/-])[-+]?\d{1,3}(?:,\d{3}){1,4}(?:\.\d{1,12})?(?!\w)"
    r"|(?<![\w./-])-?\d{1,15}(?:\.\d{1,12})?(?![\w-]|[.,]\d)"
)
_IDENTIFIER: Final = re.compile(
    r"(?<![\w@.,-])#?(?=[A-Za-z_-]{0,40}\d)[A-Za-z0-9]{1,40}(?:[-_/][A-Za-z0-9]{1,40}){0,6}"
    r"(?![\w@]|[.,]\d)"
)
_NAME: Final = re.compile(
    r"(?<![\w@.])[A-ZÀ-Þ][\w'’&-]*"
    r"(?:\s+(?:[A-ZÀ-Þ][\w'’&-]*|\d{1,4}\b|of\s+[A-ZÀ-Þ][\w'’&-]*))*"
)
_ZONE: Final = re.compile(r"\b(?:[A-Z][A-Za-z_]+(?:/[A-Z][A-Za-z_+-]+){1,2}|UTC|GMT)\b")
_OPENERS: Final = frozenset(
    """
    is are was were do does did can could may might must shall should will would has have had how
    what which who whose when where why please the a an my our your in on at for from to and but or
    if i we you tell show find list give send cancel refund order check look get ask
    """.split()
)
"""Words that begin a sentence and are no part of the name behind them."""

_OPERATORS: Final = (
    (r"\b(?:multiplied by|times)\b", "*"),
    (r"\bdivided by\b", "/"),
    (r"\bplus\b", "+"),
    (r"\bminus\b", "-"),
    (r"\b(?:to the power of|raised to)\b", "^"),
    (r"\bsquared\b", "^ 2"),
    (r"\bcubed\b", "^ 3"),
    (r"\bsquare root of\s+([\d.,]+)", r"sqrt(\1)"),
    (r"(?<=\d)\s*(?:percent|per cent)\b", "%"),
    (r"[×·]", "*"),
    (r"÷", "/"),
    (r"[−–]", "-"),
)
_SIGN: Final = r"(?:\*\*|//|[-+*/^]|\bof\b|\bx\b|\bmod\b)"
_TERM: Final = (
    r"(?:[-+( ]|(?:sqrt|abs|round|min|max) ?\()*\d{1,15}(?:,\d{3})*(?:\.\d{1,15})?(?: ?%)?[) ]*"
)
_ARITHMETIC: Final = re.compile(rf"(?<![-+( ]){_TERM}(?:(?:{_SIGN}|,){_TERM})*")
_OPERATED: Final = re.compile(rf"\d\s*%?\)*\s*{_SIGN}|(?:sqrt|abs|round|min|max)\s*\(")
_PLAINLY: Final = re.compile(r"\s[-+*/^x]\s|[*^+]|% of|(?:sqrt|abs|round|min|max) ?\(|\)\s*[-+*/]")
_RANGE: Final = re.compile(r"(?<=\d)[-/](?=\d)")
_CALCULATES: Final = re.compile(
    r"\b(?:calculate|compute|evaluate|what is|what's|what are|how much (?:is|are)|work out|solve)\b"
)
_LENGTH: Final = 2000
"""Characters of a question that are read for arithmetic."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """One literal and where it stands; `before` and `after` are stems of the words around it."""

    kind: Kind
    value: Value
    start: int
    end: int
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


def literals(text: str) -> tuple[Found, ...]:
    """Everything the text says literally, in order. What belongs to a date is no number."""
    whole: list[tuple[Kind, _Said]] = [
        *(("email", said) for said in _emails(text)),
        *(("url", said) for said in _matches(_URL, text)),
        *(("date", said) for said in _dates(text)),
    ]
    taken = [(start, end) for _, (_, start, end) in whole]
    numbers: list[tuple[Kind, _Said]] = [
        *(("identifier", said) for said in _identifiers(text)),
        *(("number", said) for said in _numbers(text)),
    ]
    whole += [
        (kind, said)
        for kind, said in numbers
        if not any(start < said[2] and said[1] < end for start, end in taken)
    ]
    whole += [("quoted", said) for said in _quotes(text)]
    whole += [("expression", said) for said in _expressions(text)]
    whole += [("zone", said) for said in _matches(_ZONE, text)]
    whole += [("name", said) for said in _names(text)]
    found = [_described(text, kind, said) for kind, said in whole]
    return tuple(sorted(found, key=lambda f: (f.start, f.end)))


def _described(text: str, kind: Kind, said: _Said) -> Found:
    value, start, end = said
    return Found(
        kind=kind,
        value=value,
        start=start,
        end=end,
        before=tuple(stem(word) for word in words(text[max(0, start - _AROUND) : start])[-3:]),
        after=tuple(stem(word) for word in words(text[end : end + _AROUND])[:2]),
    )


def _matches(pattern: re.Pattern[str], text: str) -> Iterator[_Said]:
    for match in pattern.finditer(text):
        yield match[0], match.start(), match.end()


def _emails(text: str) -> Iterator[_Said]:
    for match in _EMAIL.finditer(text):
        yield match[0].rstrip("."), match.start(), match.end()


def _quotes(text: str) -> Iterator[_Said]:
    for match in _QUOTED.finditer(text):
        yield next(group for group in match.groups() if group), match.start(), match.end()


def _identifiers(text: str) -> Iterator[_Said]:
    for match in _IDENTIFIER.finditer(text):
        yield match[0].lstrip("#"), match.start(), match.end()


def _numbers(text: str) -> Iterator[_Said]:
    for match in _NUMBER.finditer(text):
        number = match[0].replace(",", "")
        yield float(number) if "." in number else int(number), match.start(), match.end()


def _dates(text: str) -> Iterator[_Said]:
    """Days in ISO form."""
    for pattern in (_ISO, _DAY_FIRST, _MONTH_FIRST):
        for match in pattern.finditer(text):
            month = match["month"]
            if not month.isdigit():
                month = str([name[:3] for name in _MONTHS].index(month[:3].lower()) + 1)
            try:
                day = date(int(match["year"]), int(month), int(match["day"]))
            except ValueError:
                continue
            yield day.isoformat(), match.start(), match.end()


def _expressions(text: str) -> Iterator[_Said]:
    """Arithmetic with an operator that cannot be a range, a date or a fraction of prose.

    Words for operators become signs, so the value need not stand in the text as it is; where it
    stands is the whole text.
    """
    said = fold(text[:_LENGTH])
    for word, sign in _OPERATORS:
        said = re.sub(word, f" {sign} ", said)
    said = " ".join(said.split())
    asks = bool(_CALCULATES.search(said))
    for match in _ARITHMETIC.finditer(said):
        raw = re.sub(r"\s+", " ", match[0]).strip(" ,")
        plainly = bool(_PLAINLY.search(raw))
        if not _OPERATED.search(raw) or raw.count("(") != raw.count(")"):
            continue
        if not plainly and (not asks or (_RANGE.search(raw) and stems(said.replace(raw, " ")))):
            continue
        yield raw, 0, len(text)


def _names(text: str) -> Iterator[_Said]:
    """Runs of capitalised words; the word that opens a sentence only where a name goes on."""
    for match in _NAME.finditer(text):
        start, end = match.start(), match.end()
        before, said = text[:start].rstrip()[-1:], match[0]
        if not before or before in ".?!:":
            first, _, rest = said.partition(" ")
            if not rest or first.lower() in _OPENERS:
                start += len(first) + bool(rest)
                said = rest
        said = said.strip()
        if said != "I" and any(letter.isalpha() for letter in said):
            yield said, start, end


@cache
def _zones() -> dict[str, str]:
    """Folded city → IANA name."""
    from zoneinfo import available_timezones  # noqa: PLC0415 - reads the system's list

    names: dict[str, str] = {}
    for name in sorted(available_timezones()):
        region, _, city = name.rpartition("/")
        if region and region not in ("Etc", "SystemV", "posix", "right", "US", "Canada"):
            names.setdefault(fold(city.replace("_", " ")), name)
    return names


def zone(text: str) -> str | None:
    """The IANA time zone that the text names, or the zone of a city in it."""
    exact = _ZONE.search(text)
    if exact:
        return exact[0]
    said = f" {' '.join(words(text))} "
    known = [city for city in _zones() if f" {city} " in said]
    return _zones()[max(known, key=len)] if known else None
