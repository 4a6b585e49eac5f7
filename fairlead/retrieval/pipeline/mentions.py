"""What a question names outright: a source, or a day."""

import re
from pathlib import PurePosixPath

from fairlead.retrieval.analysis import STOP_WORDS
from fairlead.schema import Hit

BONUS = 0.3
"""Added to the fused score of what the question names: a bonus, never a filter."""

_MONTHS = (
    "january february march april may june july august september october november december"
).split()
_NAMES = "|".join((*_MONTHS, *(month[:3] for month in _MONTHS), "sept"))
_ISO = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")
_MONTH_DAY = re.compile(rf"\b({_NAMES})\.? (\d{{1,2}})(?:st|nd|rd|th)?(?:,? (\d{{4}}))?\b")
_DAY_MONTH = re.compile(rf"\b(\d{{1,2}})(?:st|nd|rd|th|\.)? ({_NAMES})\.?(?:,? (\d{{4}}))?\b")
_PERIOD = re.compile(
    rf"\b(in|since|after|before|until|from)\s+(?:({_NAMES})\.?\s+)?((?:19|20)\d{{2}})\b"
)
_PLAIN = re.compile(r"[\W_]+")


class Mentions:
    """The sources, days and periods that one question names."""

    def __init__(self, question: str) -> None:
        self._written, self._lower = question, question.lower()
        self._plain = f" {_spaced(question)} "
        self._days = _days(self._lower)
        self._periods = _periods(self._lower)

    def __bool__(self) -> bool:
        """Whether any source could be named: nearly every question has a word that may be one."""
        return bool(self._plain.strip())

    def bonus(self, hit: Hit) -> float:
        """`BONUS` where the question names the source, the day or the time of publication."""
        published = f"{hit.published_at:%Y-%m-%d}" if hit.published_at else ""
        named = self._names(hit.source) or (published and self._dates(published))
        return BONUS if named else 0.0

    def _dates(self, day: str) -> bool:
        return any(day.endswith(named) for named in self._days) or any(
            first <= day <= last for first, last in self._periods
        )

    def _names(self, source: str) -> bool:
        """A file by its name with the ending, another source by two words or as a proper name.

        Not a file by its bare stem: `options.md` would win every question on options.
        """
        path = PurePosixPath(source)
        if path.suffix:
            name = path.name.lower()
            return name in self._lower and bool(
                re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", self._lower)
            )
        said = _spaced(source)
        if f" {said} " not in self._plain:
            return False
        distinctive = [word for word in said.split() if word not in STOP_WORDS]
        proper = source[:1].isupper() and re.search(rf"\b{re.escape(source)}\b", self._written)
        return len(distinctive) > 1 or bool(proper)


def _spaced(text: str) -> str:
    return _PLAIN.sub(" ", text).strip().lower()


def _days(question: str) -> set[str]:
    """Days as `2026-03-01`, or `-03-01` where the question leaves the year out."""
    found = {"-".join(parts) for parts in _ISO.findall(question)}
    for month, day, year in _MONTH_DAY.findall(question):
        found.add(_day(year, month, day))
    for day, month, year in _DAY_MONTH.findall(question):
        found.add(_day(year, month, day))
    return found


def _day(year: str, month: str, day: str) -> str:
    return f"{year}-{_number(month):02d}-{int(day):02d}"


def _number(month: str) -> int:
    return next(n for n, name in enumerate(_MONTHS, start=1) if name.startswith(month[:3]))


def _periods(question: str) -> list[tuple[str, str]]:
    """First and last day of each time named: `in March 2024`, `since 2023`, `before 2020`."""
    found = []
    for word, month, year in _PERIOD.findall(question):
        start = f"{year}-{_number(month):02d}-01" if month else f"{year}-01-01"
        end = f"{year}-{_number(month):02d}-31" if month else f"{year}-12-31"
        if word in ("since", "from"):
            found.append((start, "9999"))
        elif word == "after":
            found.append((end + "x", "9999"))
        elif word == "before":
            found.append(("", start[:-1]))
        elif word == "until":
            found.append(("", end))
        else:
            found.append((start, end))
    return found
