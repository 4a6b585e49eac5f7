"""One search of one collection, inside one read transaction."""

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from fairlead.errors import FairleadError
from fairlead.protocols import Embedder, Vocabulary
from fairlead.retrieval.analysis import TOKENIZER, match_expression, query_terms
from fairlead.retrieval.collection import CollectionFile, index_version, shown_version
from fairlead.retrieval.confidence import confidence, signals, stored_scale
from fairlead.retrieval.fusion import fused
from fairlead.retrieval.matrix import Matrix
from fairlead.retrieval.mentions import Mentions
from fairlead.retrieval.spelling import mended
from fairlead.retrieval.vectors import stored_embedder
from fairlead.retrieval.visibility import allow, visible, wanted_version
from fairlead.schema import Hit, Json, Principal, SearchMode, SearchResult
from fairlead.tracing import Tracing, names

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

_CANDIDATES = 100
"""Of each ranking; the same for every `k` up to 50, so that `k` does not change the order."""
_JUDGED = 10
"""Chunks that confidence looks at."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """What is searched for, and by whom."""

    text: str
    principal: Principal
    k: int
    mode: SearchMode
    filters: Mapping[str, Json] | None
    as_of: datetime | str | None


@dataclass(kw_only=True)
class _Found:
    """What one search has come to so far; scores by chunk row."""

    terms: list[str] = field(default_factory=list)
    lexical: dict[int, float] = field(default_factory=dict)
    dense: dict[int, float] = field(default_factory=dict)
    matrix: Matrix | None = None
    warnings: list[str] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        begun = time.perf_counter()
        try:
            yield
        finally:
            spent = (time.perf_counter() - begun) * 1000
            self.timings[stage] = round(self.timings.get(stage, 0.0) + spent, 3)


class Search:
    """Runs one query against one collection. Blocks.

    `advice` is a warning given where vectors are wanted but there is no embedder.
    """

    def __init__(
        self,
        file: CollectionFile,
        embedder: Embedder | None,
        query: Query,
        tracing: Tracing,
        advice: str = "",
    ) -> None:
        self._file = file
        self._embedder = embedder
        self._query = query
        self._tracing = tracing
        self._advice = advice
        self._found = _Found()
        self._confidence = 0.0

    def run(self) -> SearchResult:
        """Best first; empty where nothing was ever written."""
        found = self._found
        with found.timed("total"), self._file.reading() as connection:
            if connection is None:
                hits: tuple[Hit, ...] = ()
                version = 0
            else:
                version = index_version(connection)
                asked = wanted_version(connection, self._query.as_of)
                hits = self._hits(connection, asked)
                version = version if asked is None else asked
        return SearchResult(
            hits=hits,
            confidence=self._confidence,
            timings=found.timings,
            index_version=shown_version(version),
            warnings=tuple(found.warnings),
        )

    def _hits(self, connection: sqlite3.Connection, version: int | None) -> tuple[Hit, ...]:
        found, query = self._found, self._query
        with found.timed("filter"):
            within = visible(connection, query.principal, query.filters, version)
            if within is not None:
                allow(connection, within)
        text = self._understood(connection, within is not None)
        vector = None if query.mode == "sparse" else self._vector(text)
        name, attributes = names.database(
            query.mode, self._file.name, system="sqlite", tenant=self._file.tenant
        )
        with self._tracing.span(name, attributes) as span:
            n = max(_CANDIDATES, 2 * query.k)
            if vector is not None:
                self._by_vectors(connection, vector, n, within, version is not None)
            if query.mode != "dense" or found.matrix is None:
                with found.timed("lexical"):
                    self._by_words(connection, n, within is not None, version is not None)
            with found.timed("rank"):
                rows = _Rows(connection)
                ranked = self._ranked(rows)
                hits = self._distinct(rows, ranked)
            span.set({names.DB_ROWS: len(hits)})
        with found.timed("confidence"):
            texts = [rows.text(row) for row, _ in ranked[:_JUDGED]]
            seen = signals(connection, found.terms, texts, found.lexical, found.dense)
            identity = self._embedder.identity if self._embedder and found.dense else ""
            self._confidence = confidence(seen, stored_scale(connection, identity)) if hits else 0.0
        return hits

    def _understood(self, connection: sqlite3.Connection, limited: bool) -> str:
        """The question with misspelt words mended, for both rankings."""
        found, text = self._found, self._query.text
        with found.timed("spelling"):
            found.terms = query_terms(text)
            unsure = [term for term in found.terms if not self._is_word(term)]
            mends = mended(connection, text, unsure, limited=limited)
        if mends:
            found.terms = [mends.get(term, term) for term in found.terms]
            said = ", ".join(f"{new!r} for {old!r}" for old, new in mends.items())
            found.warnings.append(f"searched for {said}")
            words = text.split()
            bare = [word.strip(".,;:!?\"'()").lower() for word in words]
            text = " ".join(mends.get(b, word) for b, word in zip(bare, words, strict=True))
        return text

    # --- the two rankings ------------------------------------------------------------------------

    def _by_words(self, connection: sqlite3.Connection, n: int, limited: bool, past: bool) -> None:
        if not self._found.terms:
            return
        expression = match_expression(self._found.terms)
        rows: Iterator[tuple[int, float]]
        if past:
            rows = iter(_past_ranking(connection, expression, n))
        elif limited:  # the cross join: FTS5 would run the match once per row of an `IN`
            rows = connection.execute(
                "SELECT fts.rowid, rank FROM fts CROSS JOIN chunk ON chunk.row = fts.rowid"
                " WHERE fts MATCH ? AND chunk.document IN (SELECT document FROM temp.allowed)"
                " ORDER BY rank, fts.rowid LIMIT ?",
                (expression, n),
            )
        else:
            rows = connection.execute(
                "SELECT rowid, rank FROM fts WHERE fts MATCH ? ORDER BY rank LIMIT ?",
                (expression, n),
            )
        self._found.lexical = {row: -score for row, score in rows}

    def _is_word(self, term: str) -> bool:
        """Whether the embedder's vocabulary has the whole term: then it is spelt right."""
        embedder: object = self._embedder
        return isinstance(embedder, Vocabulary) and embedder.knows(term)

    def _vector(self, text: str) -> "NDArray[float32] | None":
        """The question's vector; None, with a warning, where there can be none."""
        found = self._found
        if self._embedder is None:
            if self._advice:
                found.warnings.append(self._advice)
            return None
        name, attributes = names.embeddings(self._embedder.identity.partition("@")[0])
        with found.timed("embed"), self._tracing.span(name, attributes):
            try:
                vector: NDArray[float32] = self._embedder.embed([text])[0]
            except FairleadError as error:
                hint = f" {error.hint}" if error.hint else ""
                found.warnings.append(f"searched by text alone: {error.message}.{hint}")
                return None
        return vector

    def _by_vectors(
        self,
        connection: sqlite3.Connection,
        vector: "NDArray[float32]",
        n: int,
        within: set[int] | None,
        past: bool,
    ) -> None:
        assert self._embedder is not None, "it made the vector"
        found, identity = self._found, self._embedder.identity
        with found.timed("dense"):
            if past:
                matrix = Matrix.load(connection, identity, past=True)
            else:
                matrix = self._file.matrix(connection, identity)
                self._warn_of_pending(connection, identity, len(matrix))
            if len(matrix):
                found.matrix = matrix
                found.dense = matrix.nearest(vector, n, within)

    def _warn_of_pending(self, connection: sqlite3.Connection, identity: str, held: int) -> None:
        chunks = connection.execute("SELECT count(*) FROM chunk WHERE live = 1").fetchone()[0]
        if held >= chunks:
            return
        other = stored_embedder(connection)
        if other not in ("", identity) and not held:
            said = f"searched by text alone: the vectors were made by another embedder, {other!r}"
        else:
            said = f"{chunks - held} of {chunks} chunks have no vector yet"
        self._found.warnings.append(f"{said}; ingest again to make them")

    # --- one ranking of both ---------------------------------------------------------------------

    def _ranked(self, rows: "_Rows") -> list[tuple[int, float]]:
        """Chunks and scores (0 to 1), best first; ties by age, so that searches repeat."""
        found = self._found
        if found.matrix is None:
            scores = fused(found.lexical, {}, has_vector=lambda _: False)
        elif self._query.mode == "dense":
            scores = {row: max(0.0, cosine) for row, cosine in found.dense.items()}
        else:
            scores = fused(found.lexical, found.dense, has_vector=found.matrix.__contains__)
        mentions = Mentions(self._query.text)
        rows.fetch(scores)
        boosted = {
            row: score + mentions.bonus(*rows.provenance(row)) for row, score in scores.items()
        }
        ranked = sorted(boosted.items(), key=lambda item: (-item[1], item[0]))
        return [(row, min(1.0, score)) for row, score in ranked]

    def _distinct(self, rows: "_Rows", ranked: Sequence[tuple[int, float]]) -> tuple[Hit, ...]:
        """The first `k`, each text once."""
        hits: list[Hit] = []
        seen: set[bytes] = set()
        for row, score in ranked:
            if len(hits) == self._query.k:
                break
            digest = rows.digest(row)
            if digest not in seen:
                seen.add(digest)
                hits.append(rows.hit(row, score, len(hits) + 1, self._file))
        return tuple(hits)


class _Rows:
    """Stored chunks by row."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._known: dict[int, tuple[str, str, bytes]] = {}

    def fetch(self, rows: Iterable[int]) -> None:
        """Reads what ranking needs of all candidates at once."""
        wanted = list(rows)
        found = self._connection.execute(
            "SELECT chunk.row, source, published_at, chunk.digest FROM chunk"
            " JOIN document ON document.row = chunk.document"
            f" WHERE chunk.row IN ({', '.join('?' * len(wanted))})",
            wanted,
        )
        self._known = {row: (source, at, digest) for row, source, at, digest in found}

    def provenance(self, row: int) -> tuple[str, str]:
        """Source and time of publication."""
        return self._known[row][:2]

    def digest(self, row: int) -> bytes:
        return self._known[row][2]

    def text(self, row: int) -> str:
        """Title and body."""
        query = "SELECT title || ' ' || body FROM chunk WHERE row = ?"
        return str(self._connection.execute(query, (row,)).fetchone()[0])

    def hit(self, row: int, score: float, rank: int, file: CollectionFile) -> Hit:
        held = self._connection.execute(
            "SELECT chunk.id, document.id, version, source, document.title, body, start, stop,"
            " metadata, headings, published_at FROM chunk"
            " JOIN document ON document.row = chunk.document WHERE chunk.row = ?",
            (row,),
        ).fetchone()
        return Hit(
            passage_id=held[0],
            document_id=held[1],
            version=held[2],
            source=held[3],
            title=held[4],
            text=held[5],
            score=score,
            rank=rank,
            start=held[6],
            end=held[7],
            tenant=file.tenant,
            collection=file.name,
            metadata=json.loads(held[8]),
            headings=tuple(json.loads(held[9])),
            published_at=datetime.fromisoformat(held[10]) if held[10] else None,
        )


def _past_ranking(
    connection: sqlite3.Connection, expression: str, n: int
) -> list[tuple[int, float]]:
    """The lexical ranking of the documents in `temp.allowed`, as if only they were there."""
    connection.execute(
        "CREATE VIRTUAL TABLE temp.past USING fts5("
        f"title, body, meta, content='', tokenize='{TOKENIZER}')"
    )
    connection.execute(
        "INSERT INTO temp.past(rowid, title, body, meta)"
        " SELECT row, title, body, meta FROM chunk"
        " WHERE document IN (SELECT document FROM temp.allowed) ORDER BY row"
    )
    return connection.execute(
        "SELECT rowid, bm25(past, 3.0, 1.0, 1.0) AS score FROM temp.past WHERE past MATCH ?"
        " ORDER BY score, rowid LIMIT ?",
        (expression, n),
    ).fetchall()
