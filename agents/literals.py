"""What a question says literally: numbers, dates, addresses, identifiers, names, arithmetic."""

import re
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Final, Literal

from fairlead.agents.words import fold, stem, stems, words

Kind = Literal[
    "number", "date", "email", "url", "quoted", "identifier", "expression", "zone", "name"
]
Value = str | int | float

_EMAIL: Final = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_URL: Final = re.compile(r"https?://[^\s\"'<>)]+[^\s\"'<>).,;!?]")
_QUOTED: Final = re.compile(
    r"\"([^\"]{1,2000})\"|“([^”]{1,2000})”|«([^»]{1,2000})»|(?<!\w)'([^']{2,2000})'(?!\w)"
)
_MONTHS: Final = (
    "january february march april may june july august september october november december"
)
_MONTH: Final = "|".join(f"{name[:3]}(?:{name[3:]})?" for name in _MONTHS.split())
_ISO: Final = re.compile(r"\b(\d{4})-(\d{1,2})-(\d{1,2})\b")
_DAY_FIRST: Final = re.compile(
    rf"\b(\d{{1,2}})(?:st|nd|rd|th|\.)?\s+(?:of\s+)?({_MONTH})\.?,?\s+(\d{{4}})\b", re.IGNORECASE
)
_MONTH_FIRST: Final = re.compile(
    rf"\b({_MONTH})\.?\s+(\d{{1,2}})(?:st|nd|rd|th)?,?\s+(\d{{4}})\b", re.IGNORECASE
)
_NUMBER: Final = re.compile(
    r"(?<![\w.,/-])[-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\w])|(?<![\w./-])-?\d+(?:\.\d+)?(?![\w-]|[.,]\d)"
)
_IDENTIFIER: Final = re.compile(
    r"(?<![\w@.-])#?(?=[A-Za-z_-]*\d)[A-Za-z0-9]+(?:[-_/][A-Za-z0-9]+)*(?![\w@])"
)
_NAME: Final = re.compile(
    r"(?<![\w@.])[A-ZÀ-Þ][\w'’&-]*(?:\s+(?:[A-ZÀ-Þ][\w'’&-]*|\d{1,4}\b|of\s+(?=[A-Z])|and\s+(?=[A-Z])))*"
)
_ZONE: Final = re.compile(r"\b(?:[A-Z][A-Za-z_]+(?:/[A-Z][A-Za-z_+-]+){1,2}|UTC|GMT)\b")
_OPERATORS: Final = (
    (r"\b(?:multiplied by|times)\b", "*"), (r"\bdivided by\b", "/"), (r"\bplus\b", "+"),
    (r"\bminus\b", "-"), (r"\b(?:to the power of|raised to)\b", "^"),
    (r"\bsquared\b", "^ 2"), (r"\bcubed\b", "^ 3"), (r"\bsquare root of\s+([\d.,]+)", r"sqrt(\1)"),
    (r"(?<=\d)\s*(?:percent|per cent)\b", "%"), (r"[×·]", "*"), (r"÷", "/"), (r"[−–]", "-"),
)  # fmt: skip
_TERM: Final = r"(?:\d[\d,]*(?:\.\d+)?\s*%?)"
_ARITHMETIC: Final = re.compile(
    rf"[-+(\s]*(?:(?:sqrt|abs|round|min|max)\s*\()?[-+(\s]*{_TERM}[)\s]*"
    rf"(?:(?:\*\*|//|[-+*/^,]|\bof\b|\bx\b|\bmod\b)[-+(\s]*(?:(?:sqrt|abs|round|min|max)\s*\()?[-+(\s]*{_TERM}[)\s]*)*"
)
_CALCULATES: Final = re.compile(
    r"\b(?:calculate|compute|evaluate|what is|what's|what are|how much (?:is|are)|work out|solve)\b"
)
_COUNTED: Final = re.compile(r"(?<=\d)[-/](?=\d)")


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
    taken: list[tuple[int, int]] = []
    found: list[Found] = []

    def keep(kind: Kind, value: Value, start: int, end: int, *, exclusive: bool = True) -> None:
        if exclusive:
            if any(a < end and start < b for a, b in taken):
                return
            taken.append((start, end))
        found.append(
            Found(
                kind=kind,
                value=value,
                start=start,
                end=end,
                before=tuple(stem(w) for w in words(text[:start])[-3:]),
                after=tuple(stem(w) for w in words(text[end:])[:2]),
            )
        )

    for match in _EMAIL.finditer(text):
        keep("email", match[0].rstrip("."), match.start(), match.end())
    for match in _URL.finditer(text):
        keep("url", match[0], match.start(), match.end())
    for match in _QUOTED.finditer(text):
        said = next(group for group in match.groups() if group is not None)
        keep("quoted", said, match.start(), match.end(), exclusive=False)
    for moment, start, end in _dates(text):
        keep("date", moment, start, end)
    for said, start, end in _expressions(text):
        keep("expression", said, start, end, exclusive=False)
    for match in _ZONE.finditer(text):
        keep("zone", match[0], match.start(), match.end(), exclusive=False)
    for match in _IDENTIFIER.finditer(text):
        if any(a < match.end() and match.start() < b for a, b in taken):
            continue
        keep("identifier", match[0].lstrip("#"), match.start(), match.end(), exclusive=False)
    for match in _NUMBER.finditer(text):
        number = match[0].replace(",", "")
        keep("number", float(number) if "." in number else int(number), match.start(), match.end())
    for name, start, end in _names(text):
        keep("name", name, start, end, exclusive=False)
    return tuple(sorted(found, key=lambda f: (f.start, f.end)))


def _dates(text: str) -> list[tuple[str, int, int]]:
    found = []
    for match in _ISO.finditer(text):
        found.append((match[1], match[2], match[3], match))
    for match in _DAY_FIRST.finditer(text):
        found.append((match[3], _month(match[2]), match[1], match))
    for match in _MONTH_FIRST.finditer(text):
        found.append((match[3], _month(match[1]), match[2], match))
    dates = []
    for year, month, day, match in found:
        try:
            moment = date(int(year), int(month), int(day))
        except ValueError:
            continue
        dates.append((moment.isoformat(), match.start(), match.end()))
    return dates


def _month(name: str) -> str:
    return str([month[:3] for month in _MONTHS.split()].index(name[:3].lower()) + 1)


def _expressions(text: str) -> list[tuple[str, int, int]]:
    """Arithmetic with an operator that cannot be a range, a date or a fraction of prose."""
    said = fold(text)
    for word, sign in _OPERATORS:
        said = re.sub(word, f" {sign} ", said)
    asks = bool(_CALCULATES.search(said))
    found = []
    for match in _ARITHMETIC.finditer(said):
        raw = re.sub(r"\s+", " ", match[0]).strip(" ,")
        if raw.count("(") > raw.count(")"):
            raw = raw.lstrip("( ") if "(" not in raw.lstrip("( ") else raw
        whole = re.search(
            r"\d\s*%?\)*\s*(?:\*\*|//|[-+*/^]|\bof\b|\bx\b|\bmod\b)|sqrt|abs|round|min\(|max\(", raw
        )
        loose = re.search(r"\s[-+*/^x]\s|\*|\^|\+|% of|sqrt|\) *[-+*/]", raw)
        if not whole or raw.count("(") != raw.count(")") or not (loose or asks):
            continue
        tight = _COUNTED.search(raw) and not loose
        if tight and stems(said.replace(match[0], " ")):
            continue
        found.append((raw, 0, len(text)))
    return found


def _names(text: str) -> list[tuple[str, int, int]]:
    """Runs of capitalised words; the first word of a sentence only where it continues as a name."""
    found = []
    for match in _NAME.finditer(text):
        start, end = match.start(), match.end()
        before = text[:start].rstrip()
        said = match[0]
        if not before or before[-1] in ".?!:":
            first, _, rest = said.partition(" ")
            if not rest or first.lower() in _OPENERS:
                start += len(first) + 1 if rest else len(first)
                said = rest
        said = said.strip()
        if said and any(letter.isalpha() for letter in said) and said != "I":
            found.append((said, start, end))
    return found


_OPENERS: Final = frozenset(
    "is are was were do does did can could may might must shall should will would has have had how "
    "what which who whose when where why please the a an my our your in on at for from to and but or "
    "if i we you tell show find list give send cancel refund order check look get".split()
)


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
