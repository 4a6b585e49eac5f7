"""What a tenant's collection is now: one small object, whose writing publishes a change.

Every change is a generation. Documents and chunks carry the generation that added them and the one
that removed them; a reader sees those of the generation that the head names. So a change is visible
all at once, and what a crash left behind belongs to a generation that was never named.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from fairlead.errors import NotFound
from fairlead.retrieval.stored import Spec, Version
from fairlead.retrieval.times import parse_time, seconds, stamp
from fairlead.retrieval.weaviate.names import object_id
from fairlead.retrieval.weaviate.tables import Row, Wanted, conditions

LIVE: Final = 2**53 - 1
"""The generation that removes what is live: the largest number that a client reads exactly."""
HEAD, INTENT = object_id("head"), object_id("intent")
KEPT = Wanted(values=("data",))


@dataclass(frozen=True, kw_only=True)
class Leaving:
    """Documents removed by a generation whose chunks do not say so yet.

    The server takes an object out of its indexes before it puts a changed one in: measured, of some
    1,400 searches beside 3,700 changes two by words and three by filtered vector missed an object
    (reading it by id or filter never did). So chunks are marked once no search needs them.
    """

    generation: int
    at: float
    """Seconds since 1970."""
    documents: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Head:
    """The present state. `version` is the newest index version's number, 0 before the first."""

    born: str = ""
    """Random; another one for a collection that was deleted and made again."""
    generation: int = 0
    epoch: int = 0
    """Counts erasures."""
    version: int = 0
    at: str = ""
    reason: str = ""
    run: str = ""
    documents: int = 0
    build: int = 0
    building: int = 0
    builds: Mapping[int, Spec] = field(default_factory=dict)
    retired: tuple[int, str] = (0, "")
    """The build before this one and when it was replaced, until it is dropped."""
    deltas: int = 0
    """Changes of word counts since they were last summed up."""
    summed: int = 0
    """The generation of that."""
    leaving: tuple[Leaving, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def spec(self) -> Spec:
        return self.builds.get(self.build, Spec())

    @property
    def state(self) -> str:
        return f"{self.born} {self.generation}"

    def row(self) -> Row:
        """As it is stored."""
        data = {name: getattr(self, name) for name in self.__dataclass_fields__}
        data["builds"] = {str(n): [s.chunker, s.embedder] for n, s in self.builds.items()}
        data["leaving"] = [[each.generation, each.at, each.documents] for each in self.leaving]
        return Row(id=HEAD, values={"kind": "head", "data": json.dumps(data, default=dict)})

    @staticmethod
    def of(row: Row | None) -> "Head | None":
        if row is None:
            return None
        data: dict[str, Any] = json.loads(row.values["data"])
        data["builds"] = {
            int(number): Spec(chunker=chunker, embedder=embedder)
            for number, (chunker, embedder) in data["builds"].items()
        }
        data["leaving"] = tuple(
            Leaving(generation=generation, at=at, documents=tuple(documents))
            for generation, at, documents in data["leaving"]
        )
        number, at = data["retired"]
        return Head(**{**data, "retired": (number, at)})

    def spelt(self, spec: Spec) -> "Head":
        """With another spec of the present build."""
        return replace(self, builds={**self.builds, self.build: spec})

    def as_version(self) -> Row:
        """The newest version as it is kept once another one comes."""
        return version_row(
            Version(
                version=shown(self.version),
                at=self.at,
                documents=self.documents,
                reason=self.reason,
            ),
            self.generation,
        )


def shown(number: int) -> str:
    """A version number as callers see it: ordered as a string too; empty for none."""
    return f"{number:08d}" if number else ""


def version_row(version: Version, generation: int) -> Row:
    number = int(version.version)
    return Row(
        id=object_id("version", str(number)),
        values={
            "kind": "version",
            "order": number,
            "seen": seconds(version.at),
            "data": json.dumps(
                [version.version, version.at, version.documents, version.reason, generation]
            ),
        },
    )


def version_of(row: Row) -> tuple[Version, int]:
    """A version and the generation that ended it."""
    name, at, documents, reason, generation = json.loads(row.values["data"])
    return Version(version=name, at=at, documents=documents, reason=reason), generation


def number_of(head: Head, wanted: str) -> int:
    """The number that a caller calls a version by. Raises `NotFound`."""
    number = int(wanted) if wanted.isdecimal() and len(wanted) <= 8 else 0
    if not 0 < number <= head.version:
        raise NotFound(
            f"there is no index version {wanted!r}",
            hint=f"The newest is {shown(head.version)!r}." if head.version else "",
        )
    return number


@dataclass(frozen=True, kw_only=True)
class Moment:
    """An index version and the generation that is read for it."""

    version: int
    generation: int


def present(head: Head, as_of: datetime | str | None) -> Moment | None:
    """The present state, where that is what is meant; else None. Raises `NotFound`."""
    now = Moment(version=head.version, generation=head.generation)
    if as_of is None:
        return now
    if isinstance(as_of, str) and as_of.isdecimal() and len(as_of) <= 8:
        return now if number_of(head, as_of) == head.version else None
    return now if head.version and stamp(_moment(as_of)) >= head.at else None


def past(as_of: datetime | str) -> tuple[Any, Wanted]:
    """How to find the version that a moment or a name means, once it is not the present one."""
    from weaviate.classes.query import Filter  # noqa: PLC0415 - an extra

    where = conditions(kind="version")
    if isinstance(as_of, str) and as_of.isdecimal() and len(as_of) <= 8:
        where &= Filter.by_property("order").equal(int(as_of))
    else:
        where &= Filter.by_property("seen").less_or_equal(_moment(as_of).timestamp())
    return where, Wanted(values=("data",), sort=(("order", False),))


def found(rows: Sequence[Row]) -> Moment:
    """What `past` found; the time before the first version where that is nothing."""
    if not rows:
        return Moment(version=0, generation=0)
    version, generation = version_of(rows[0])
    return Moment(version=int(version.version), generation=generation)


def _moment(as_of: datetime | str) -> datetime:
    return parse_time(as_of) if isinstance(as_of, str) else as_of


# --- what a generation sees ----------------------------------------------------------------------


def chunks_alive(head: Head, generation: int | None = None) -> Any:
    """Chunks that are live in a generation, the present one without."""
    from weaviate.classes.query import Filter  # noqa: PLC0415 - an extra

    wanted = head.generation if generation is None else generation
    gone = [id_ for each in head.leaving if each.generation <= wanted for id_ in each.documents]
    if not gone:
        return alive(wanted)
    return alive(wanted) & Filter.not_(Filter.by_property("document").contains_any(gone))


def alive(generation: int) -> Any:
    """Documents that are live in a generation; of chunks, see `chunks_alive`."""
    from weaviate.classes.query import Filter  # noqa: PLC0415 - an extra

    return Filter.by_property("added").less_or_equal(generation) & Filter.by_property(
        "removed"
    ).greater_than(generation)
