"""The embedded store: one SQLite file for each tenant and collection."""

import json
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import TypeVar

from fairlead.reports import CollectionInfo
from fairlead.retrieval.embedded import archive, building, erasing, reading, writing
from fairlead.retrieval.embedded.database import CollectionFile, head_of, set_state
from fairlead.retrieval.embedded.integrity import examined
from fairlead.retrieval.embedded.snapshot import snapshot
from fairlead.retrieval.records import packed_record
from fairlead.retrieval.store import Capabilities, Snapshot
from fairlead.retrieval.stored import (
    Archived,
    AuditRow,
    Entry,
    Integrity,
    Origin,
    Pending,
    Quarantined,
    Ref,
    Scope,
    Spec,
    StoredDocument,
    Tally,
    Twin,
    Vectors,
    Version,
)
from fairlead.retrieval.times import stamp
from fairlead.storage import plainly

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_Read = TypeVar("_Read")


class EmbeddedStore:
    """Collections below a folder, one file each: not even score statistics cross a tenant."""

    name = "embedded"
    capabilities = Capabilities(
        exact_dense=True,
        visible_statistics=True,
        transactions=True,
        text_first=True,
        server_side_expiry=False,
        rebuild_scope="tenant",
        writers="processes",
    )

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files: dict[tuple[str, str], CollectionFile] = {}
        self._lock = Lock()

    def index(self, tenant: str, collection: str) -> "EmbeddedIndex":
        with self._lock:
            file = self._files.get((tenant, collection))
            if file is None:
                path = self._root / tenant / f"{collection}.db"
                file = self._files[tenant, collection] = CollectionFile(path, tenant, collection)
        return EmbeddedIndex(file)

    async def collections(self, tenant: str) -> Sequence[str]:
        return self._names(tenant)  # of one folder, in less time than a thread would take

    def _names(self, tenant: str) -> Sequence[str]:
        folder = self._root / tenant
        with plainly(folder):
            files = os.listdir(folder) if folder.is_dir() else []
        stems = [file.removesuffix(".db") for file in files if file.endswith(".db")]
        return sorted(stem for stem in stems if _NAME.fullmatch(stem))

    def specs(self) -> Iterator[tuple[str, str, Spec]]:
        with plainly(self._root):
            folders = sorted(self._root.iterdir()) if self._root.is_dir() else []
        for tenant in (f.name for f in folders if _NAME.fullmatch(f.name) and f.is_dir()):
            for collection in self._names(tenant):
                yield tenant, collection, self.index(tenant, collection).spec()

    async def close(self) -> None:
        """Closes every file. The store can be used again afterwards."""
        with self._lock:
            files = list(self._files.values())
            self._files.clear()
        for file in files:
            file.close()


class EmbeddedIndex:
    """One tenant's collection in a file. Never written, it reads as empty and makes no file."""

    system = "sqlite"

    def __init__(self, file: CollectionFile) -> None:
        self._file = file
        self.tenant = file.tenant
        self.name = file.name

    # --- reading

    def snapshot(self, scope: Scope) -> AbstractAsyncContextManager[Snapshot]:
        return snapshot(self._file, scope)

    def _read(self, empty: _Read, read: Callable[..., _Read], *values: object) -> _Read:
        with self._file.reading() as connection:
            return empty if connection is None else read(connection, *values)

    def information(self) -> CollectionInfo | None:
        with self._file.reading() as connection:
            if connection is None:
                return None
            return reading.information(connection, self.tenant, self.name)

    def spec(self) -> Spec:
        with self._file.reading() as connection:
            if connection is None:
                return Spec()
            return reading.spec(connection, head_of(connection).build)

    def document(self, document_id: str, version: str | None = None) -> StoredDocument | None:
        return self._read(None, reading.document, document_id, version)

    def versions(self) -> Sequence[Version]:
        return self._read([], reading.versions)

    def named(self, name: str) -> bool:
        nothing: list[int] = []
        return bool(self._read(nothing, erasing.rows_of, [name]))

    def learned(self) -> Mapping[str, str]:
        return self._read({}, reading.facts)

    def verified(self) -> Integrity:
        return examined(self._file)

    # --- what an ingest asks

    def stored(self, ids: Collection[str]) -> Mapping[str, str]:
        return self._read({}, reading.stored, ids)

    def origins(self) -> Mapping[str, Origin]:
        return self._read({}, reading.origins)

    def below(self, roots: Sequence[str]) -> Mapping[str, str]:
        return self._read({}, reading.below, roots)

    def twins(self, contents: Collection[bytes]) -> Mapping[bytes, Sequence[Twin]]:
        return self._read({}, reading.twins, contents)

    def neighbours(self, bands: Collection[int]) -> Sequence[Twin]:
        return self._read([], reading.neighbours, bands)

    def pending(self, embedder: str) -> Sequence[Pending]:
        with self._file.reading() as connection:
            if connection is None:
                return []
            return reading.pending(connection, embedder, head_of(connection).build)

    def pending_texts(self, keys: Sequence[bytes]) -> Mapping[bytes, str]:
        return self._read({}, reading.pending_texts, keys)

    # --- changing it

    def commit(
        self, entries: Sequence[Entry], vectors: Vectors, *, embedder: str, run: str
    ) -> Tally:
        return writing.commit(self._file, entries, vectors, embedder=embedder, run=run)

    def embed(self, vectors: Vectors, *, embedder: str) -> None:
        writing.commit(self._file, (), vectors, embedder=embedder, run="")

    def retire(self, ids: Collection[str], *, run: str, reason: str) -> Tally:
        return writing.retire(self._file, ids, run=run, reason=reason)

    def remember(self, origins: Collection[Origin], forgotten: Collection[str] = ()) -> None:
        writing.remember(self._file, origins, forgotten)

    def learn(self, facts: Mapping[str, str]) -> None:
        with self._file.writing() as made:
            for name, value in facts.items():
                set_state(made.connection, f"fact {name}", value)

    def renew(self, ids: Collection[str], at: str) -> None:
        writing.renew(self._file, ids, at)

    def erase(self, names: Collection[str], *, why: str, run: str) -> Tally:
        return erasing.erase(
            self._file,
            lambda connection: erasing.rows_of(connection, names),
            why=why,
            now=datetime.now(UTC),
            run=run,
        )

    def expire(self, now: datetime, max_age_days: float | None, *, run: str) -> Tally:
        tally = erasing.erase(
            self._file,
            lambda connection: erasing.expired(connection, now, max_age_days),
            why="expired",
            now=now,
            run=run,
        )
        over = [
            each.id for each in self.quarantine() if each.expires and each.expires <= stamp(now)
        ]
        self.drop(over)
        return tally

    def rollback(self, version: str, *, run: str) -> tuple[Tally, int]:
        number = int(version) if version.isdecimal() and len(version) <= 8 else 0
        return erasing.rolled_back(self._file, number, run=run)

    def settle(self) -> None:
        """Keeps a large frame for the next process."""
        self._file.keep()

    # --- quarantine and audit

    def hold(self, held: Sequence[Quarantined]) -> None:
        with self._file.writing() as made:
            made.connection.executemany(
                "INSERT OR REPLACE INTO quarantine VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        each.id,
                        each.at,
                        each.gate,
                        each.reason,
                        each.document_id,
                        each.source,
                        each.origin,
                        each.digest,
                        each.expires,
                        each.run,
                        packed_record(each.record) if each.record else b"",
                    )
                    for each in held
                ],
            )

    def quarantine(self) -> Sequence[Quarantined]:
        return self._read([], reading.quarantine)

    def quarantined(self, id_: str) -> Quarantined | None:
        return self._read(None, reading.quarantined, id_)

    def drop(self, ids: Collection[str]) -> int:
        if not ids:
            return 0
        with self._file.writing() as made:
            return sum(
                made.connection.execute("DELETE FROM quarantine WHERE id = ?", (id_,)).rowcount
                for id_ in ids
            )

    def note(self, row: AuditRow) -> None:
        with self._file.writing() as made:
            made.connection.execute(
                "INSERT INTO audit (at, actor, action, target, detail) VALUES (?, ?, ?, ?, ?)",
                (row.at, row.actor, row.action, row.target, json.dumps(dict(row.detail))),
            )

    def audit(self, limit: int) -> Sequence[AuditRow]:
        return self._read([], reading.audit, limit)

    # --- another build

    def begin_build(self, spec: Spec) -> None:
        building.begin(self._file, spec)

    def unbuilt(self, limit: int) -> Sequence[Archived]:
        with self._file.reading() as connection:
            return building.unbuilt(self._file, connection, limit) if connection else []

    def build(self, entries: Sequence[tuple[Ref, Entry]], vectors: Vectors) -> None:
        building.build(self._file, entries, vectors)

    def build_pending(self) -> Sequence[Pending]:
        return self._read([], building.build_pending)

    def swap(self) -> bool:
        return building.swap(self._file)

    # --- moving it

    def archive(self) -> Iterator[Archived]:
        return archive.archive(self._file)

    def vectors(self, keys: Collection[bytes]) -> Vectors:
        return self._read({}, reading.vectors, keys)

    def restore(
        self, versions: Sequence[Version], documents: Iterator[Archived], spec: Spec
    ) -> None:
        archive.restore(self._file, versions, documents, spec)
