"""Misspelt words of a question, mended from the collection's own vocabulary."""

import sqlite3
from collections.abc import Iterator, Sequence

from fairlead.retrieval.analysis import STEMMER, match_expression, words

_SHORTEST = 4
_TWO_EDITS_FROM = 8
_CANDIDATES = 20_000
_MOST = 8


def document_counts(connection: sqlite3.Connection, stems: Sequence[str]) -> dict[str, int]:
    """How many live chunks hold each stem; absent where none does."""
    counts = {}
    for stem in dict.fromkeys(stems):
        row = connection.execute("SELECT doc FROM temp.term WHERE term = ?", (stem,)).fetchone()
        if row:
            counts[stem] = int(row[0])
    return counts


def mended(
    connection: sqlite3.Connection, question: str, terms: Sequence[str], *, limited: bool = False
) -> dict[str, str]:
    """Unknown terms → the nearest word that the collection knows; the first eight of them.

    `limited`: only from documents in `temp.allowed`, so that no hidden word shows.

    Words under four letters, with digits or underscores, and capitalised words inside a sentence
    (names) are left alone. One edit is forgiven, two from eight letters on; neighbours that
    changed places are one edit.
    """
    found: dict[str, str] = {}
    tried = 0
    for term in dict.fromkeys(terms):
        if len(term) < _SHORTEST or not term.isalpha() or _is_name(question, term):
            continue
        stem = STEMMER.stems([term])[term]
        if len(stem) != 1 or document_counts(connection, stem):
            continue
        tried += 1
        if tried > _MOST:
            break
        nearest = _nearest_stem(connection, stem[0])
        surface = nearest and _surface(connection, nearest, term, limited)
        if surface:
            found[term] = surface
    return found


def distance(left: str, right: str, limit: int) -> int:
    """Edits (insert, delete, replace, swap neighbours) between two words; `limit` + 1 for more."""
    if abs(len(left) - len(right)) > limit:
        return limit + 1
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, start=1):
        older, before, row = before, row, [i]
        for j, b in enumerate(right, start=1):
            best = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                best = min(best, older[j - 2] + 1)
            row.append(best)
        if min(row) > limit:
            return limit + 1
    return min(row[-1], limit + 1)


def _nearest_stem(connection: sqlite3.Connection, stem: str) -> str:
    """The known stem with the fewest edits; of several the most frequent; empty for none."""
    limit = 2 if len(stem) >= _TWO_EDITS_FROM else 1
    letters = set(stem)
    best: tuple[int, int, str] | None = None
    for term, count in _neighbours(connection, stem, limit):
        if len(letters.symmetric_difference(term)) > 2 * limit:
            continue
        edits = distance(stem, term, limit)
        if edits <= limit and (best is None or (edits, -count, term) < best):
            best = edits, -count, term
    return best[2] if best else ""


def _neighbours(connection: sqlite3.Connection, stem: str, limit: int) -> Iterator[tuple[str, int]]:
    """Known stems of about the length that begin with the first or the second letter."""
    for letter in dict.fromkeys(stem[:2]):
        yield from connection.execute(
            "SELECT term, doc FROM temp.term WHERE term >= ? AND term < ?"
            " AND length(term) BETWEEN ? AND ? LIMIT ?",
            (letter, chr(ord(letter) + 1), len(stem) - limit, len(stem) + limit, _CANDIDATES),
        )


def _surface(connection: sqlite3.Connection, stem: str, misspelt: str, limited: bool) -> str:
    """The word behind a stem, as some chunk writes it."""
    within = " AND chunk.document IN (SELECT document FROM temp.allowed)" if limited else ""
    row = connection.execute(
        "SELECT chunk.title || ' ' || chunk.body || ' ' || chunk.meta FROM fts"
        f" CROSS JOIN chunk ON chunk.row = fts.rowid WHERE fts MATCH ?{within} LIMIT 1",
        (match_expression([stem]),),
    ).fetchone()
    said = list(dict.fromkeys(words(row[0]))) if row else []
    behind = [word for word, stems in STEMMER.stems(said).items() if stems == (stem,)]
    return min(behind, key=lambda word: (distance(misspelt, word, 9), word), default="")


def _is_name(question: str, term: str) -> bool:
    """Whether the word stands capitalised inside a sentence that is not all capitals."""
    at = question.lower().find(term)
    written = question[at : at + len(term)]
    return at > 0 and written[:1].isupper() and not question.isupper()
