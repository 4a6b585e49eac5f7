"""What one tenant sees does not depend on what another one has or does."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fairlead import FairleadError, Principal
from fairlead.retrieval import Library
from fairlead.schema import Document
from tests.retrieval.conformance.conftest import OpenStore, library_on
from tests.retrieval.conftest import HashEmbedder

WORDS = "label parcel return refund order lamp cable invoice tax country delivery shop".split()
OPERATIONS = 250
"""A run; there are four of them."""


class Person:
    """Does random things in one tenant, and writes down what there was to see."""

    def __init__(self, library: Library, tenant: str, seed: int) -> None:
        self._library, self._tenant = library, tenant
        self._random = random.Random(f"{tenant} {seed}")
        self.seen: list[Any] = []

    async def act(self) -> None:
        doing = [self._ingest] * 5 + [self._search] * 8 + [self._look] * 3
        doing += [self._delete, self._rollback, self._expire, self._unknown]
        action = self._random.choice(doing)
        try:
            self.seen.append((action.__name__, await action()))
        except FairleadError as error:
            self.seen.append((action.__name__, type(error).__name__, error.message, error.hint))

    def _text(self) -> str:
        return " ".join(self._random.choices(WORDS, k=self._random.randint(2, 30))) + "."

    def _reader(self) -> Principal:
        groups = tuple(self._random.sample(["hr", "it"], self._random.randint(0, 2)))
        return Principal(tenant=self._tenant, groups=groups)

    def _id(self) -> str:
        return f"d{self._random.randint(0, 11)}"

    async def _ingest(self) -> Any:
        documents = [
            Document(
                id=id_,
                text=self._text(),
                metadata={"n": self._random.randint(0, 3), "word": self._random.choice(WORDS)},
                acl=tuple(self._random.choice([(), (), ("hr",), ("it",)])),
            )
            for id_ in {self._id(): 0 for _ in range(self._random.randint(1, 3))}
        ]
        report = await self._library.ingest(documents, tenant=self._tenant)
        return report.documents, report.chunks, report.vectors, report.index_version

    async def _search(self) -> Any:
        filters: Any = self._random.choice([None, None, {"n": 1}, {"n": {"gte": 2}}, {"colour": 1}])
        found = await self._library.search(
            self._text(),
            principal=self._reader(),
            k=self._random.choice([1, 3, 20]),
            mode=self._random.choice(["hybrid", "dense", "sparse"]),
            filters=filters,
        )
        exact = self._library.store.capabilities.visible_statistics
        hits = [
            # A server that counts removed passages until it has swept them ranks by numbers that
            # move with time, by .001 of a score, also where there is but one tenant.
            (h.passage_id, h.document_id, h.text, round(h.score, 4) if exact else None)
            for h in found.hits
        ]
        return hits, round(found.confidence, 4), found.index_version, sorted(found.timings)

    async def _look(self) -> Any:
        listed = await self._library.collections(self._tenant)
        place: Any = {"tenant": self._tenant, "collection": "default"}
        document = await self._library.document(**place, document_id=self._id())
        sound = await self._library.check(**place)
        told = (document.text, document.version, document.status) if document else None
        versions = await self._library.upkeep.versions(**place)
        return listed, told, sound, [(each.version, each.documents) for each in versions]

    async def _delete(self) -> Any:
        done = await self._library.upkeep.delete(
            [self._id()], tenant=self._tenant, collection="default"
        )
        return done

    async def _rollback(self) -> Any:
        version = f"{self._random.randint(0, 12):08d}"
        return await self._library.upkeep.rollback(
            version, tenant=self._tenant, collection="default"
        )

    async def _expire(self) -> Any:
        return await self._library.upkeep.expire(tenant=self._tenant, collection="default")

    async def _unknown(self) -> Any:
        return await self._library.text(
            tenant=self._tenant, collection="other", document_id=self._id(), version="1", start=0,
            end=9,
        )  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
async def test_nothing_of_another_tenant_is_seen(
    stores: Callable[[str], OpenStore], tmp_path: Path, embedder: HashEmbedder, seed: int
) -> None:
    shared, alone = stores("shared")(), stores("alone")()
    both = library_on(shared, tmp_path / "shared", embedder)
    single = library_on(alone, tmp_path / "alone", embedder)
    anna, ben = Person(both, "anna", seed), Person(both, "ben", seed)
    turns = random.Random(seed)
    for _ in range(OPERATIONS):
        await turns.choice([anna, ben]).act()
    again = Person(single, "anna", seed)
    for number, seen in enumerate(anna.seen):
        await again.act()
        assert again.seen[number] == seen, number
    assert len(anna.seen) > OPERATIONS / 3
    await both.close()
    await single.close()
