"""A question taken apart: small talk, several questions in one, one that leans on the last."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from fairlead.agents.words import STOP_WORDS, content, fold, words
from fairlead.schema import Turn

READ: Final = 4000
PARTS: Final = 5
"""Questions of one message that are answered; what comes after them is left."""
SmallTalk = Literal["greeting", "thanks", "farewell", "identity"]

_ASKS: Final = (
    r"(?:what|which|who|whom|whose|when|where|why|how|is|are|was|were|do|does|did|can|could|may|"
    r"might|must|shall|should|will|would|has|have|had|am)"
)
_SENTENCE: Final = re.compile(r"(?<=[.!?])\s+(?=\S)")
_JOINED: Final = re.compile(
    rf"\s*(?:,|;|\?)\s*(?:and|or|but)?\s+(?:also\s+)?(?={_ASKS}\b)"
    rf"|\s+(?:and|but)\s+(?:also\s+)?(?=(?:what|which|who|whose|when|where|why|how)\b)",
    re.IGNORECASE,
)
"""Where a second question begins inside a sentence."""
_CLAUSE: Final = re.compile(
    r"\s*(?:[,;:]|\bwhile\b|\bwhereas\b|\band (?=the\b|whether\b|an?\b|another\b)|\bcompared to\b"
    r"|\bin contrast\b|\bas well as\b)\s*",
    re.IGNORECASE,
)
_OPENS: Final = re.compile(
    rf"(?:(?:and|but|so|or|also|then)\b[\s,]*)*"
    rf"(?:(?:for|in|on|at|by|to|from|of|with|under|above|after|within)\s+)?{_ASKS}\b",
    re.IGNORECASE,
)
_COMMAND: Final = re.compile(
    r"(?:please\s+)?(?:tell|show|list|give|explain|describe|find|name|compare|summari[sz]e)\b",
    re.IGNORECASE,
)
_LEANS_FIRST: Final = re.compile(
    r"(?:and|but|so|or|then|also|what about|how about|same|mine|what if|why not|why)\b",
    re.IGNORECASE,
)
_LEANS: Final = re.compile(
    r"\b(?:it|its|itself|they|them|their|theirs|those|these|this|that|one|ones|he|she|his|her|him|"
    r"mine|there|same|former|latter|instead(?! of)|otherwise|either|both|so)\b"
)
_INNER: Final = re.compile(
    r"\b(?:this|that|these|those|her|his|their|its|one)\s+(?:[a-z][\w-]*\s+)?[a-z][\w-]{3,}"
    r"|\bthat\s+(?:is|are|was|were|has|have|can|i|we|you|the)\b|\b(?:is|was) (?:it|there)\b"
    r"|\bso (?:that|many|much)\b|\bit (?:\w+ )?to\b"
)
"""Uses of the same words that refer to nothing earlier."""
_TALK: Final[tuple[tuple[SmallTalk, re.Pattern[str]], ...]] = (
    ("greeting", re.compile(
        r"(?:hi|hello|hey|hallo|hiya|greetings|good (?:morning|afternoon|evening|day)|howdy|moin"
        r"|how are you(?: (?:doing|today))?|nice to meet you)\b")),
    ("thanks", re.compile(
        r"(?:(?:many |ok(?:ay)?,? |great,? )?thank(?:s| you)|thx|cheers|much appreciated|perfect|"
        r"great|ok(?:ay)?|got it|that helps)\b")),
    ("farewell", re.compile(
        r"(?:good ?bye|bye|see you|farewell|good night|have a (?:nice|good))\b")),
    ("identity", re.compile(
        r"(?:who|what) (?:exactly )?are you\b|what(?: else)? can you (?:do|help)\b"
        r"|what do you do\b|are you (?:a |an )?(?:human|bot|robot|ai|machine|person|real)\b"
        r"|what(?: is|'s) your name\b|how can you help\b|help\W*$")),
)  # fmt: skip
_TALK_WORDS: Final = 7
"""A longer message says more than hello."""


def small_talk(question: str) -> SmallTalk | None:
    """Which pleasantry the message is and nothing else; None where it asks something."""
    said = fold(question[:200]).strip(" \t\n.!?,;:")
    if len(question) > 200 or not said or len(said.split()) > _TALK_WORDS:
        return None
    for kind, pattern in _TALK:
        found = pattern.match(said)
        if found and (kind == "identity" or not _asks_more(said[found.end() :])):
            return kind
    return None


def _asks_more(rest: str) -> bool:
    rest = re.sub(r"^[\s,.!?]+", "", rest)
    if any(pattern.match(rest) for _, pattern in _TALK):
        return False
    return bool(re.search(rf"(?:^|[.,!?]\s*){_ASKS}\b", rest)) or any(
        word not in _PLEASANT for word in content(rest)
    )


_PLEASANT: Final = frozenset(
    "help helps helped lot everybody everyone team friend dear assistant bot fairlead today doing "
    "much kindly answer great perfect good nice morning day evening understood clear".split()
)


def parts(question: str) -> tuple[str, ...]:
    """The questions in one message, each with the statements that came before it."""
    found: list[str] = []
    setting: list[str] = []
    for sentence in _SENTENCE.split(question.strip()):
        asked = [piece for piece in _split(sentence) if piece]
        if not any(_asking(piece) for piece in asked):
            setting.append(sentence.strip())
            continue
        for piece in asked:
            found.append(" ".join([*setting, piece]))
        setting = []
    if setting:
        found = [*found[:-1], " ".join([*found[-1:], *setting])]
    return tuple(found[:PARTS])


def _asking(text: str) -> bool:
    return bool(text.rstrip().endswith("?") or _OPENS.match(text) or _COMMAND.match(text))


def _split(sentence: str) -> list[str]:
    """The sentence at each point where another whole question begins."""
    pieces: list[str] = []
    start = 0
    for found in _JOINED.finditer(sentence):
        before, after = sentence[start : found.start()], sentence[found.end() :]
        if _whole(before) and _whole(after) and _OPENS.match(before.strip()):
            pieces.append(before.strip())
            start = found.end()
    return [*pieces, sentence[start:].strip()]


def _whole(text: str) -> bool:
    """Whether the clause can stand as a question: a word on the subject and three words in all."""
    return len(text.split()) >= 3 and bool(content(text))


def clauses(question: str) -> tuple[str, ...]:
    """Clauses of five words or more that are worth a search of their own; none for a short one."""
    found = [piece.strip(" ?.!") for piece in _CLAUSE.split(question)]
    kept = tuple(dict.fromkeys(piece for piece in found if len(piece.split()) >= 5))
    return kept if len(found) > 1 and kept != (question.strip(" ?.!"),) else ()


def leans(question: str) -> bool:
    """Whether the question needs an earlier turn to be understood."""
    said = fold(question).strip()
    last = fold(parts(question)[-1] if parts(question) else question)
    if _LEANS_FIRST.match(said) or (len(content(said)) <= 1 and not proper_names(question)):
        return True
    bare = _INNER.sub(" ", last)
    pronoun = _LEANS.search(bare)
    if not pronoun:
        return not _OPENS.match(said) and not _COMMAND.match(said) and len(content(said)) <= 4
    before = [word for word in content(said[: said.find(pronoun[0])]) if len(word) > 2]
    return len(before) < 2


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One question of a message."""

    text: str
    """With what it needs from earlier questions, so that it can be searched for."""
    focus: str
    """As it was asked."""


def asked(question: str, history: Sequence[Turn] = ()) -> tuple[Asked, ...]:
    """Every question in the first 4,000 characters of the message, each understandable alone."""
    found: list[Asked] = []
    question = " ".join(question.split())[:READ]
    for part in parts(question):
        text = standalone(part, history) if not found else part
        if found and leans(part):
            text = f"{topic(found[-1].text)} {part}"
        found.append(Asked(text=text, focus=part))
    return tuple(found)


def standalone(question: str, history: Sequence[Turn]) -> str:
    """The question with what it leans on: the last turn's question that stood by itself.

    Identifiers of the earlier question are left out, so that no tool is called for them again.
    """
    if not history or not leans(question):
        return question
    earlier: list[str] = []
    for turn in reversed(history[-3:]):
        if small_talk(turn.question):
            continue
        earlier.insert(0, topic(turn.question))
        if not leans(turn.question):
            break
    return " ".join([*earlier, question.strip()])


_IDENTIFIER: Final = re.compile(
    r"#?\b(?=[\w-]*\d)[A-Za-z]{0,6}[-_]?\d[\w-]{2,}\b|[^\s?!,;]+@[^\s?!,;]+"
)


def topic(question: str) -> str:
    """The question without identifiers and addresses."""
    return re.sub(
        r"\s+([?.!,;])", r"\1", re.sub(r"\s{2,}", " ", _IDENTIFIER.sub("", question))
    ).strip()


@lru_cache(maxsize=256)
def proper_names(question: str) -> frozenset[str]:
    """Folded words that are written like names: capitals inside a sentence, digits, mixed case."""
    found = set()
    for match in re.finditer(r"[^\W\d_][\w]*", question):
        word = match[0]
        before = question[: match.start()].rstrip()
        opening = not before or before[-1] in ".?!:\"'“‘("
        mixed = bool(re.search(r"[a-z][A-Z]|[A-Za-z]\d", word))
        if (word[0].isupper() and not opening and not question.isupper()) or mixed:
            found.update(words(word))
    return frozenset(found - STOP_WORDS)
