"""What kind of thing a question asks for, and whether a text holds one.

"How long" wants a time, "how many requests" a number beside requests, "who is" a name. A stretch
without it does not answer, however close its words are; that is the best sign of a near miss.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

from fairlead.agents.words import STOP_WORDS, fold, stem, stems, words

Kind = Literal["money", "count", "number", "percent", "duration", "year", "person"]

_NUMBER = (
    r"(?:\d[\d,.]*|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|"
    r"fourteen|fifteen|sixteen|eighteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|"
    r"hundreds?|thousands?|millions?|billions?|unlimited|once|twice|zero|half|several|dozens?)"
)
_TIME = (
    r"(?:(?:milli)?seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|nights?|weeks?|months?|quarters?|"
    r"years?|decades?)"
)
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_MOST = (
    r"(?:largest|biggest|smallest|greatest|highest|lowest|longest|shortest|maximum|minimum|max|min|"
    r"oldest|newest|latest|earliest|most|fewest|average)"
)
_SIZE = (
    r"(?:number|size|length|amount|count|width|height|weight|price|age|value|limit|rate|speed|"
    r"temperature|distance|quantity|load|capacity|file|body|version)"
)

_CODE = r"(?:usd|eur|gbp|nok|sek|dkk|chf|jpy|cad|aud|inr)"

_ASKED: Final[tuple[tuple[Kind, re.Pattern[str]], ...]] = (
    ("duration", re.compile(
        r"\bhow (?:long|soon|fast|quick(?:ly)?|often|frequently)\b(?! is (?:the|a|an|my|our)\b)"
        r"|\bhow long\b")),
    ("percent", re.compile(r"\bpercent(?:age)?\b|\b(?:what|which) (?:share|proportion)\b")),
    ("money", re.compile(
        r"\bhow much (?:\w+ ){0,8}(?:cost|costs|pay|paid|price|fee|charged?|spend|earn|worth)\b"
        r"|\bwhat (?:\w+ ){0,8}(?:cost|costs|pay|charge|earn)\b"
        r"|\b(?:price|salary|fees?|fine|wage|cost|amount) (?:of|for|does|do|is|are|will)\b"
        r"|\b(?:what|which|above what) (?:[\w-]+ ){0,2}(?:price|salary|fee|fine|wage|amount)\b"
        r"|\bhow (?:high|large|big) is the (?:fine|fee|price|salary|cost)\b")),
    ("number", re.compile(
        r"\bhow (?:much|wide|high|large|big|tall|deep|old|far|heavy|warm|cold|hot|bright|loud)\b"
        rf"|\b(?:what|which)\b.{{0,40}}\b{_MOST}\b.{{0,20}}\b{_SIZE}\b|\b{_MOST} {_SIZE}\b"
        r"|\b(?:what|which) (?:\w+ ){0,2}(?:is|are|does|do|was|number|version|release)\b.{0,12}"
        r"\b(?:weight|length|height|width|size|temperature|load|number|capacity|age)\b"
        r"|\b(?:what|which) (?:\w+ ){0,2}(?:number|version|release|port|temperature|load|size)\b"
        r"|\b(?:phone|telephone|fax|port) number\b")),
    ("year", re.compile(
        r"\b(?:which|what) year\b|\bwhen (?:was|were) .*\b(?:founded|born|established)\b")),
    ("person", re.compile(
        r"\bwho (?:is|was|are|wrote|founded|created|invented|leads|runs|heads)\b"
        r"(?! (?:allowed|able|eligible|responsible|entitled|liable|covered|affected|permitted)\b)"
        r"|\bwhat is the name of (?:the|your)\b")),
)  # fmt: skip
_TITLED: Final = re.compile(
    r"\b(?:which|what) (?:\w+ ){0,2}(?:release|version|year|edition|chapter|section|step|date)\b"
)
_COUNTED: Final = re.compile(r"\bhow many\b(?P<rest>.*)", re.DOTALL)

_HELD: Final[dict[Kind, re.Pattern[str]]] = {
    "money": re.compile(
        r"[$€£¥]\s?\d"
        rf"|\b\d[\d.,]*\s?(?:%|percent|per cent|{_CODE}\b|dollars?|euros?|pounds?|cents?|kroner|"
        rf"francs?)|\b{_CODE}\s?\d|\bfree\b|\bat no (?:\w+ )?cost\b"
        r"|\bno (?:\w+ )?(?:charge|cost|fee)s?\b"),
    "number": re.compile(rf"(?<![\w.]){_NUMBER}(?!\w)|\d"),
    "percent": re.compile(r"\d\s?%|\bper ?cent\b"),
    "duration": re.compile(
        rf"\b{_NUMBER}[\s)(\d-]{{0,8}}(?:[\w-]{{1,20}} )?{_TIME}\b"
        rf"|\b(?:every|each|per|within (?:a|an)|once an?|a|an) (?:\*?\w+\*? )?{_TIME}\b"
        r"|\b(?:daily|weekly|monthly|quarterly|yearly|annually|annual|immediately|indefinitely|"
        r"forever|permanently|lifetime|always|overnight)\b"
        rf"|\buntil (?:the|you|\d|{_MONTH})\b|\b\d{{1,2}} {_MONTH}\b|\b{_MONTH} \d{{1,2}}\b"
        r"|\b\d{4}-\d\d-\d\d\b"
        r"|\d\s?(?:mm|cm|m|km|in|inch(?:es)?|feet|ft|yards?|miles?|met(?:er|re)s?)\b"),
    "year": re.compile(r"\b(?:1[89]|20)\d\d\b"),
}  # fmt: skip
_NAME: Final = re.compile(
    r"\b[A-ZÀ-Þ][\w'’-]+ (?:[A-Z]\. |(?:van|von|de|da|di|la) )*[A-ZÀ-Þ][\w'’-]+"
)
_ANY: Final = re.compile(rf"(?<![\w.]){_NUMBER}(?!\w)")
_NEAR: Final = 40
"""Characters on either side of a number within which the counted thing must be named."""
_READ: Final = 2000
_RATE: Final = re.compile(r"\b(?:per|each|every) \w+")
"""What a number is counted by, not what it counts."""


_ASKING: Final[dict[str, frozenset[str]]] = {
    kind: frozenset(map(stem, said.split()))
    for kind, said in (
        ("money", "cost costs price pay paid fee charge charged spend earn amount worth salary"),
        ("percent", "percent percentage share proportion"),
        ("number", "number size length amount width height weight weigh quantity"),
        ("duration", "long soon often fast quickly frequently take takes last period"),
        ("year", "year"),
        ("person", "name person"),
    )
}
"""Stems that only ask for the kind of thing; an amount answers "cost" without saying it."""


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What an answer must hold; `nouns` are stems of what is counted."""

    kind: Kind
    nouns: frozenset[str] = frozenset()
    given: frozenset[str] = frozenset()
    """Numbers of the question itself: finding them again answers nothing."""
    titled: bool = False
    """Whether a heading may be what is asked for: a release, a year, a section."""

    @property
    def asking(self) -> frozenset[str]:
        """Stems of the question that an answer need not repeat."""
        return _ASKING.get(self.kind, frozenset())

    def met(self, text: str) -> bool:
        """Whether the first 2,000 characters of the text hold such a thing."""
        text = text[:_READ]
        if self.kind == "person":
            return bool(_NAME.search(text))
        said = fold(text)
        if self.given and self.kind in ("number", "count"):
            said = _ANY.sub(lambda n: " " if n[0].strip(".,") in self.given else n[0], said)
        if self.kind != "count":
            return bool(_HELD[self.kind].search(said))
        said = _RATE.sub(" ", said)
        return any(
            self.nouns & {*stems(said[: n.start()][-_NEAR:]), *stems(said[n.end() :][:_NEAR])}
            for n in _ANY.finditer(said)
        )


def expected(question: str) -> Expectation | None:
    """The kind of answer that the question's last asking words call for, where they say."""
    said = fold(question)
    given = frozenset(number[0].strip(".,") for number in _ANY.finditer(said))
    counted = _COUNTED.search(said)
    if counted:
        nouns = []
        for word in words(counted["rest"])[:5]:
            if word in STOP_WORDS and word != "of":
                break
            nouns += [stem(word)] if word != "of" else []
        kind: Kind = "count" if nouns else "number"
        return Expectation(kind=kind, nouns=frozenset(nouns), given=given)
    found = next((kind for kind, pattern in _ASKED if pattern.search(said)), None)
    if found is None:
        return None
    return Expectation(kind=found, given=given, titled=bool(_TITLED.search(said)))
