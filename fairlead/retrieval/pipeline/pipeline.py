"""One search, stage by stage: each can be switched off, is a span, and says how long it took.

analyse    what the question says of itself; misspelt words mended
decompose  several questions in one
search     by words and by vectors, each question by itself
fuse       both rankings as one
narrow     the best documents of a wider search, which alone are then searched; off by default
expand     again with what the best passages say
rerank     what the question names; declared boosts; a cross-encoder
diversify  each text once, not too much alike
gate       how likely an answer is among them
pack       overlaps joined, within a budget of tokens
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from fairlead.errors import FairleadError
from fairlead.protocols import Embedder, Reranker, Vocabulary
from fairlead.reports import SearchResult
from fairlead.retrieval.analysis import query_terms
from fairlead.retrieval.chunkers import estimate_tokens
from fairlead.retrieval.pipeline import diversity, layers, links, packing
from fairlead.retrieval.pipeline.clauses import clauses
from fairlead.retrieval.pipeline.confidence import FACT, Scale, confidence, signals
from fairlead.retrieval.pipeline.feedback import Found, expanded, ranked
from fairlead.retrieval.pipeline.fusion import attainable, fused, shares
from fairlead.retrieval.pipeline.parts import Parts, Query
from fairlead.retrieval.pipeline.question import Question
from fairlead.retrieval.pipeline.spelling import mended
from fairlead.retrieval.store import Index, Snapshot
from fairlead.retrieval.stored import Candidate, Ref, Scores
from fairlead.schema import Hit
from fairlead.tracing import names

if TYPE_CHECKING:  # 60 ms to import
    from numpy import float32
    from numpy.typing import NDArray

CANDIDATES = 100
"""Of each ranking; the same for every `k` up to 50, so that `k` does not change the order."""
CLAUSE_WEIGHT = 0.7
"""What a passage found by a part of the question is worth beside one found by the whole.

Four sets with long or multi-hop questions: nDCG@10 .743 so, .742 with 0.8, and .738 where parts are
expanded too; without parts .743, but .858 instead of .867 where several passages are needed.
"""
_JUDGED = 10
"""Chunks that confidence looks at."""


@dataclass(kw_only=True)
class _Progress:
    """What one search has come to so far."""

    question: Question
    warnings: list[str]
    timings: dict[str, float] = field(default_factory=dict)
    scores: dict[Ref, float] = field(default_factory=dict)
    whole: Found = field(default_factory=Found)
    """The rankings of the whole question."""
    vector: "NDArray[float32] | None" = None
    candidates: dict[Ref, Candidate] = field(default_factory=dict)


class Pipeline:
    """Runs queries. Holds nothing between them."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def run(self, index: Index, snapshot: Snapshot, query: Query) -> SearchResult:
        """Best first; empty where nothing may be found."""
        search = _Search(self._parts, index, snapshot, query)
        began = time.perf_counter()
        hits, sure = await search.run() if snapshot.chunks else ((), 0.0)
        timings = search.progress.timings
        timings["total"] = _ms(began)
        return SearchResult(
            hits=hits,
            confidence=sure,
            timings=timings,
            index_version=snapshot.version,
            warnings=tuple(dict.fromkeys(search.progress.warnings)),
        )


class _Search:
    """One query on one snapshot."""

    def __init__(self, parts: Parts, index: Index, snapshot: Snapshot, query: Query) -> None:
        self._parts, self._index, self._snapshot, self._query = parts, index, snapshot, query
        self.progress = _Progress(question=query.question, warnings=list(query.question.warnings))

    async def run(self) -> tuple[tuple[Hit, ...], float]:
        stages, progress = self._parts.stages, self.progress
        with self._stage("analyse"):
            if stages.mend:
                await self._mend()
        with self._stage("decompose"):
            found = clauses(progress.question.text) if stages.decompose else ()
        await self._searched(found)
        with self._stage("rerank"):
            if stages.rerank:
                await self._reranked()
        with self._stage("diversify"):
            ranked = await self._diversified()
        sure = 0.0
        with self._stage("gate"):
            if stages.gate and ranked:
                sure = await self._confidence()
        with self._stage("pack"):
            hits = await self._packed(ranked)
        return hits, sure

    # --- stages ----------------------------------------------------------------------------------

    async def _mend(self) -> None:
        progress = self.progress
        unsure = [term for term in progress.question.terms if not self._is_word(term)]
        if unsure:
            mends = await mended(self._snapshot, progress.question.text, unsure)
            progress.question = progress.question.mended(mends)
            progress.warnings = list(progress.question.warnings)

    async def _searched(self, parts: Sequence[str]) -> None:
        """The whole question, expanded, and its parts, each searched and fused."""
        progress = self.progress
        texts = [progress.question.text, *parts]
        vectors = await self._vectors(texts)
        if self._parts.stages.documents:
            with self._stage("narrow"):
                await self._narrow(texts, vectors)
        with self._timed("search"):  # each ranking is a span of its own, as the store names it
            found = await self._ranked_by(texts, vectors, max(CANDIDATES, 2 * self._query.k))
        progress.whole = found[0]
        with self._stage("fuse"):
            fusing = [await self._fused(each) for each in found]
        with self._stage("expand"):
            if self._parts.stages.expand and self._query.mode == "hybrid":
                fusing[0] = await expanded(self._snapshot, found[0], fusing[0], self._fused)
        progress.scores = _joined(fusing)
        if self._parts.linked and self._parts.stages.expand:
            with self._stage("expand"):
                await self._follow_links()

    async def _ranked_by(
        self, texts: Sequence[str], vectors: "NDArray[float32] | None", n: int
    ) -> list[Found]:
        """Both rankings of each text."""
        return await asyncio.gather(
            *(
                self._rankings(text, None if vectors is None else vectors[at], n)
                for at, text in enumerate(texts)
            )
        )

    async def _narrow(self, texts: Sequence[str], vectors: "NDArray[float32] | None") -> None:
        """From here on only the best documents are searched."""
        found = await self._ranked_by(texts, vectors, layers.WIDE)
        scores = _joined([await self._fused(each) for each in found])
        await self._fetch(scores)
        most = self._parts.stages.documents
        chosen = layers.documents(scores, self.progress.candidates, most)
        self._snapshot = self._snapshot.narrowed(chosen)

    async def _follow_links(self) -> None:
        """Passages that share names with the best ones go up, found before or not."""
        progress = self.progress
        strengths = await links.strengths(
            self._snapshot, progress.scores, progress.question.entities
        )
        new = [ref for ref in strengths if ref not in progress.scores]
        vector = progress.whole.vector
        if vector is not None and self._query.mode != "sparse":
            progress.scores.update(fused({}, await self._cosines(new, vector), self._scale))
        for ref, strength in strengths.items():
            progress.scores[ref] = progress.scores.get(ref, 0.0) + links.BONUS * strength

    async def _vectors(self, texts: Sequence[str]) -> "NDArray[float32] | None":
        """The questions' vectors; None, with a warning, where there can be none."""
        embedder, progress = self._parts.embedder, self.progress
        if self._query.mode == "sparse":
            return None
        if embedder is None:
            if self._parts.advice:
                progress.warnings.append(self._parts.advice)
            return None
        try:
            held = self._snapshot.spec.embedder
            if held not in ("", embedder.identity):
                progress.warnings.append(
                    f"searched by text alone: the vectors were made by another embedder, {held!r};"
                    " run `fairlead index rebuild`"
                )
                return None
            self._warn_of_pending()
            name, attributes = names.embeddings(embedder.identity.partition("@")[0])
            with self._stage("embed", name, attributes):
                return await asyncio.to_thread(_embedded, embedder, texts)
        except FairleadError as error:
            hint = f" {error.hint}" if error.hint else ""
            progress.warnings.append(f"searched by text alone: {error.message}.{hint}")
            return None

    def _warn_of_pending(self) -> None:
        chunks, vectors = self._snapshot.chunks, self._snapshot.vectors
        if vectors < chunks:
            self.progress.warnings.append(
                f"{chunks - vectors} of {chunks} chunks have no vector yet;"
                " ingest again to make them"
            )

    async def _rankings(self, text: str, vector: "NDArray[float32] | None", n: int) -> Found:
        """Both rankings of one question, side by side."""
        mode, snapshot = self._query.mode, self._snapshot
        whole = text == self.progress.question.text
        terms = self.progress.question.terms if whole else tuple(query_terms(text))
        by_words = mode != "dense" or vector is None or not snapshot.vectors
        name, attributes = names.database(
            mode, self._index.name, system=self._index.system, tenant=self._index.tenant
        )
        with self._parts.tracing.span(name, attributes) as span:
            lexical, dense, most = await asyncio.gather(
                snapshot.sparse(terms, n) if by_words and terms else _nothing(),
                snapshot.dense(vector, n) if vector is not None else _nothing(),
                attainable(snapshot, terms),
            )
            span.set({names.DB_ROWS: len({*lexical, *dense})})
        return Found(terms=terms, vector=vector, lexical=lexical, dense=dense, most=most)

    async def _fused(self, found: Found) -> dict[Ref, float]:
        """One score for each chunk of both rankings, from about 0 to about 1."""
        if found.vector is None or not found.dense:
            return shares(found.lexical)
        if self._query.mode == "dense":
            return {ref: max(0.0, cosine) for ref, cosine in found.dense.items()}
        rest = [ref for ref in found.lexical if ref not in found.dense]
        cosines = {**found.dense, **await self._cosines(rest, found.vector)}
        return fused(found.lexical, cosines, self._scale, most=found.most)

    async def _cosines(self, refs: Sequence[Ref], vector: "NDArray[float32]") -> dict[Ref, float]:
        """Of those that have a vector."""
        rows = await self._snapshot.vectors_of(refs)
        if not rows.size:
            return {}
        found = zip(refs, rows @ vector, rows, strict=True)
        return {ref: float(cosine) for ref, cosine, row in found if row.any()}

    async def _reranked(self) -> None:
        """What the question names goes up; then declared boosts; then a cross-encoder's order."""
        progress, boosts = self.progress, self._parts.boosts
        mentions = progress.question.mentions
        if mentions or boosts:
            for ref in await self._fetch(progress.scores):
                candidate = progress.candidates[ref]
                progress.scores[ref] += mentions.bonus(candidate.hit) + boosts.of(candidate.hit)
        if self._parts.reranker is not None:
            await self._cross_encoded(self._parts.reranker)

    async def _cross_encoded(self, reranker: Reranker) -> None:
        """The best candidates in the order of a model that reads question and passage together."""
        progress = self.progress
        first = await self._fetch(self._ranked()[: max(reranker.depth, self._query.k)])
        texts = [f"{progress.candidates[r].title}\n{progress.candidates[r].body}" for r in first]
        try:
            given = await reranker.scores(progress.question.text, texts)
        except FairleadError as error:
            progress.warnings.append(f"not reranked: {error.message}")
            return
        top = max(progress.scores.values(), default=0.0)
        for ref, score in zip(first, given, strict=True):
            progress.scores[ref] = top + score

    async def _diversified(self) -> list[Ref]:
        progress, stages = self.progress, self._parts.stages
        ranked = await self._fetch(self._ranked()[: max(2 * self._query.k + 16, 40)])
        ranked = diversity.distinct(ranked, progress.candidates)
        if stages.diversify and self._query.k > 1:
            vectors = await self._snapshot.vectors_of(ranked)
            ranked = await asyncio.to_thread(
                diversity.diversified,
                ranked,
                progress.scores,
                vectors,
                self._query.k,
                stages.relevance,
            )
            ranked = diversity.capped(ranked, progress.candidates, stages.per_document)
        return ranked[: self._query.k]

    async def _confidence(self) -> float:
        """By the best candidates, whatever diversity made of them."""
        progress = self.progress
        best = await self._fetch(self._ranked()[:_JUDGED])
        texts = [f"{progress.candidates[r].title} {progress.candidates[r].body}" for r in best]
        found = await signals(self._snapshot, progress.question.terms, texts, progress.whole.dense)
        return confidence(found, self._scale)

    async def _packed(self, ranked: Sequence[Ref]) -> tuple[Hit, ...]:
        progress = self.progress
        hits = [
            replace(
                progress.candidates[ref].hit,
                score=round(min(1.0, max(0.0, progress.scores[ref])), 6),
                rank=rank,
            )
            for rank, ref in enumerate(ranked, start=1)
        ]
        if not self._parts.stages.pack:
            return tuple(hits)
        texts: dict[tuple[str, str], str] = {}

        def read(hit: Hit, start: int, end: int) -> str:
            key = hit.document_id, hit.version
            if key not in texts:
                stored = self._index.document(*key)
                texts[key] = stored.text if stored else ""
            return texts[key][start:end]

        return await asyncio.to_thread(
            packing.packed, hits, read, tokens=self._query.tokens, count=self._count()
        )

    # --- what stages share -----------------------------------------------------------------------

    @property
    def _scale(self) -> Scale:
        return Scale.parsed(self._snapshot.facts.get(FACT, ""))

    def _ranked(self) -> list[Ref]:
        return ranked(self.progress.scores)

    async def _fetch(self, refs: Sequence[Ref] | Scores) -> list[Ref]:
        """Reads candidates; gives those that are there: one may be erased after it was found."""
        held = self.progress.candidates
        missing = [ref for ref in refs if ref not in held]
        if missing:
            held.update(await self._snapshot.candidates(missing))
        return [ref for ref in refs if ref in held]

    def _is_word(self, term: str) -> bool:
        """Whether the embedder's vocabulary has the whole term: then it is spelt right."""
        embedder: object = self._parts.embedder
        return isinstance(embedder, Vocabulary) and embedder.knows(term)

    def _count(self) -> Callable[[str], int]:
        embedder = self._parts.embedder
        return embedder.count_tokens if embedder else estimate_tokens

    @contextmanager
    def _stage(
        self, stage: str, name: str = "", attributes: Mapping[str, names.AttributeValue] = {}
    ) -> Iterator[None]:
        if not name:
            name, attributes = names.stage(stage)
        with self._parts.tracing.span(name, attributes), self._timed(stage):
            yield

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            spent = self.progress.timings.get(stage, 0.0) + _ms(began)
            self.progress.timings[stage] = round(spent, 3)


def _joined(fusing: Sequence[Scores]) -> dict[Ref, float]:
    """The best score of each chunk: the whole question's, or less of one of its parts."""
    joined: dict[Ref, float] = {}
    for at, scores in enumerate(fusing):
        weight = CLAUSE_WEIGHT if at else 1.0
        for ref, score in scores.items():
            if weight * score > joined.get(ref, -1.0):
                joined[ref] = weight * score
    return joined


async def _nothing() -> Scores:
    return {}


def _embedded(embedder: Embedder, texts: Sequence[str]) -> "NDArray[float32]":
    return embedder.embed(list(texts), query=True)


def _ms(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 3)
