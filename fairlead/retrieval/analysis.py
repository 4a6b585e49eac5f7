"""Words: what a question asks for, how identifiers split, which stem SQLite gives a word."""

import re
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final

TOKENIZER = "porter unicode61 remove_diacritics 2"
"""Measured: without the stemmer .02 to .03 of nDCG@10 are lost."""

TITLE_WEIGHT: Final = 3
"""How often a word of the title counts as if it stood in the text. Measured: 2 to 5 gain up to .012
of nDCG@10; 3 is a good middle."""
STOP_WORDS = frozenset(
    """a about according after all also am an and any are article as at be because been before
    being between both but by can cannot could did do does doing done during each either else etc
    ever every for from further get gets give given had has have having he her here hers him his
    how however i if in instead into is isn it its itself just kindly let ll may me mentioned might
    mine more most much must my myself no nor not of off often on once only or other our ours out
    over own please re report reported s same say says shall she should show so some still such t
    tell than that the their theirs them then there these they this those though through thus to
    too under until up upon us use used using ve very via want wants was wasn we were what whatever
    when where whether which while who whom whose why will with within without would yes yet you
    your yours yourself""".split()
)
_WORD = re.compile(r"\w+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_QUERY_TERMS = 400
_REMEMBERED = 50_000


def words(text: str) -> list[str]:
    """Lower-cased runs of letters, digits and underscores, in order, repetitions kept."""
    return _WORD.findall(text.lower())


def content_words(text: str) -> list[str]:
    """The words that are not stop words; all of them when nothing else is left."""
    found = [word for word in words(text) if any(c.isalnum() for c in word)]
    return [word for word in found if word not in STOP_WORDS and len(word) > 1] or found


def query_terms(text: str) -> list[str]:
    """Content words and the parts of identifiers among them, repetitions kept, at most 400.

    A phrase given twice counts twice: measured, dropping repetitions costs long questions .044.
    """
    terms = content_words(text)
    for identifier in _WORD.findall(text):
        parts = identifier_parts(identifier)
        if len(parts) > 1:
            terms += [part for part in parts if part not in STOP_WORDS]
    return terms[:_QUERY_TERMS]


def identifier_parts(word: str) -> list[str]:
    """`parseHTTPHeader` and `parse_http_header` both give parse, http, header."""
    return [part.lower() for piece in word.split("_") for part in _HUMP.split(piece) if part]


def split_identifiers(text: str) -> str:
    """The parts of camel-case words of a text, each word once, for the lexical index."""
    seen = dict.fromkeys(word for word in _WORD.findall(text) if _HUMP.search(word))
    return " ".join(part for word in seen for part in identifier_parts(word))


class Stemmer:
    """The tokens that SQLite's own tokenizer makes of a word. Thread-safe; remembers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[str, ...]] = OrderedDict()
        self._connection: sqlite3.Connection | None = None

    def stems(self, given: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """Each distinct word of `given` with its tokens, in order."""
        with self._lock:
            missing = [word for word in dict.fromkeys(given) if word not in self._known]
            if missing:
                self._known.update(self._tokenized(missing))
            found = {word: self._known[word] for word in given}
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
            return found

    def _tokenized(self, given: Sequence[str]) -> dict[str, tuple[str, ...]]:
        connection = self._opened()
        connection.executemany(
            "INSERT INTO word(rowid, text) VALUES (?, ?)", list(enumerate(given, start=1))
        )
        tokens: dict[str, list[str]] = {word: [] for word in given}
        rows = connection.execute("SELECT doc, term FROM token ORDER BY doc, offset")
        for row, term in rows:
            tokens[given[row - 1]].append(term)
        connection.execute("INSERT INTO word(word) VALUES ('delete-all')")
        return {word: tuple(found) for word, found in tokens.items()}

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = sqlite3.connect(
                ":memory:", isolation_level=None, check_same_thread=False
            )
            self._connection.execute(
                f"CREATE VIRTUAL TABLE word USING fts5(text, content='', tokenize='{TOKENIZER}')"
            )
            self._connection.execute("CREATE VIRTUAL TABLE token USING fts5vocab(word, instance)")
        return self._connection


STEMMER = Stemmer()
"""One for the process: stems depend on nothing but the tokenizer."""
