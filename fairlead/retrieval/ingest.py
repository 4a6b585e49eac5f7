"""One ingest: read, store as text, prune, embed. Runs in a thread; blocks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fairlead.errors import FairleadError, InputError
from fairlead.protocols import Embedder
from fairlead.retrieval.changes import Changes
from fairlead.retrieval.chunkers import estimate_tokens
from fairlead.retrieval.collection import CollectionFile, index_version, shown_version
from fairlead.retrieval.records import Record, Reject
from fairlead.retrieval.sources import Source, Sources
from fairlead.retrieval.vectors import Progress, embed_pending, stored_embedder, vector_counts
from fairlead.schema import IngestReport

_BATCH_DOCUMENTS = 32
_BATCH_CHARS = 1_000_000
_REJECTS_SHOWN = 1000


@dataclass(frozen=True, kw_only=True)
class Order:
    """What the caller asked for; `expires` is a stored moment or empty."""

    given: Sequence[Source]
    as_name: str | None
    prune: bool
    text_only: bool
    expires: str


class Ingest:
    """Takes one order to a collection. `stopped` is asked between batches."""

    def __init__(
        self,
        file: CollectionFile,
        embedder: Embedder | None,
        order: Order,
        progress: Progress,
        stopped: Callable[[], bool],
    ) -> None:
        self._file = file
        self._embedder = embedder
        self._order = order
        self._progress = progress
        self._stopped = stopped
        self._sources = Sources(order.given, file.name, order.as_name)
        self._rejects = self._sources.rejects()
        self._seen: dict[str, str] = {}
        self._warnings: list[str] = []
        self._changes = Changes(
            file,
            reason="ingest",
            count=self._counter(),
            expires=order.expires,
        )

    def run(self) -> IngestReport:
        """Raises `InputError` when no document was good; nothing is changed then."""
        self._store()
        if not self._seen:
            raise self._nothing()
        if self._order.prune and not self._stopped():
            spared = [each.origin for each in self._rejects]
            self._changes.remove(self._sources.roots, set(self._seen), spared)
        embedded = self._embed()
        return self._report(embedded)

    def _store(self) -> None:
        held: list[Record] = []
        entries = self._sources.entries
        for done, entry in enumerate(entries):
            self._progress("text", done, len(entries))
            for found in self._sources.read(entry):
                if self._stopped():
                    return
                if isinstance(found, Reject):
                    self._rejects.append(found)
                elif self._first(found):
                    held.append(found)
                if len(held) >= _BATCH_DOCUMENTS or sum(len(r.text) for r in held) > _BATCH_CHARS:
                    self._changes.write(held)
                    held = []
        self._changes.write(held)
        self._progress("text", len(entries), len(entries))

    def _first(self, record: Record) -> bool:
        """Whether this run has not seen the id before; a second one is rejected."""
        before = self._seen.get(record.id)
        if before is not None:
            reason = f"the id {record.id!r} was given before, by {before!r}"
            self._rejects.append(Reject(source=record.source, reason=reason, origin=record.origin))
            return False
        self._seen[record.id] = record.source
        return True

    def _embed(self) -> int:
        if self._order.text_only or self._embedder is None:
            return 0
        try:
            with self._file.reading() as connection:
                before = stored_embedder(connection) if connection else ""
            if before not in ("", self._embedder.identity):
                self._warnings.append(
                    f"the vectors were made by {before!r}: every chunk is embedded anew with"
                    f" {self._embedder.identity!r}"
                )
            return embed_pending(self._file, self._embedder, self._progress, self._stopped)
        except FairleadError as error:
            hint = f" {error.hint}" if error.hint else ""
            self._warnings.append(
                f"the texts are stored and searchable, but not all have vectors: {error.message}."
                f"{hint}"
            )
            return 0

    def _report(self, embedded: int) -> IngestReport:
        identity = ""
        if self._embedder is not None and not self._order.text_only:
            identity = self._identity()
        version, chunks, vectors = 0, 0, 0
        with self._file.reading() as connection:
            if connection is not None:
                version = index_version(connection)
                identity = identity or stored_embedder(connection)
                chunks, vectors = vector_counts(connection, identity)
        tally = self._changes.tally
        counts = ("added", "changed", "unchanged", "deleted")
        return IngestReport(
            documents={
                **{name: tally.documents[name] for name in counts},
                "rejected": len(self._rejects),
            },
            chunks={
                "added": tally.chunks["added"],
                "kept": max(0, chunks - tally.chunks["added"]),
                "removed": tally.chunks["removed"],
            },
            vectors={
                "added": embedded,
                "kept": max(0, vectors - embedded),
                "pending": chunks - vectors,
            },
            rejects=tuple(
                {"source": each.source, "reason": each.reason}
                for each in self._rejects[:_REJECTS_SHOWN]
            ),
            index_version=shown_version(version),
            warnings=(*self._sources.unknown_keys(), *self._warnings),
        )

    def _identity(self) -> str:
        try:
            return self._embedder.identity if self._embedder else ""
        except FairleadError:
            return ""

    def _counter(self) -> Callable[[str], int]:
        return self._embedder.count_tokens if self._embedder else estimate_tokens

    def _nothing(self) -> InputError:
        reasons = "; ".join(f"{each.source!r}: {each.reason}" for each in self._rejects[:3])
        more = f"; and {len(self._rejects) - 3} more" if len(self._rejects) > 3 else ""
        return InputError(
            f"no document could be read: {reasons or 'nothing was given'}{more}",
            hint="Give .md, .txt, .json or .jsonl files in UTF-8, or folders that hold some.",
        )
