"""Whether what one collection holds on the server agrees with itself."""

from collections import Counter
from collections.abc import Sequence

from fairlead.retrieval.stored import Integrity
from fairlead.retrieval.weaviate import chunks, documents, reading
from fairlead.retrieval.weaviate.connection import Absent
from fairlead.retrieval.weaviate.documents import NEVER
from fairlead.retrieval.weaviate.head import LIVE, Head, shown
from fairlead.retrieval.weaviate.place import Place
from fairlead.retrieval.weaviate.tables import Row, Wanted, conditions

_CHUNK = Wanted(values=("data", "document", "added", "removed", "has_vector", "ordinal"))


def examined(place: Place) -> Integrity:
    """Reads everything. What was never written is sound and empty."""
    head = place.head()
    if head is None:
        return Integrity()
    rows = list(place.records.all(conditions(kind="document"), documents.WITH_TEXT))
    cut = _chunks(place, head)
    chunks_, vectors = reading.counts(place, head)
    live = [row for row in rows if _is_live(row, head)]
    return Integrity(
        documents=len(live),
        chunks=chunks_,
        vectors=vectors,
        index_version=shown(head.version),
        problems=tuple(_problems(head, rows, cut, len(live))),
        notes=tuple(_notes(head, rows, cut, chunks_, vectors)),
    )


def _chunks(place: Place, head: Head) -> list[Row]:
    if not head.build:
        return []
    try:
        return list(place.chunks(head.build).every(_CHUNK))
    except Absent:
        return []


def _problems(head: Head, rows: Sequence[Row], cut: Sequence[Row], live: int) -> list[str]:
    published = {row.id: row for row in rows if int(row.values["added"]) <= head.generation}
    texts = {id_: documents.text_of(row) for id_, row in published.items()}
    by_document: dict[str, list[Row]] = {}
    for chunk in cut:
        if int(chunk.values["added"]) <= head.generation:
            by_document.setdefault(str(chunk.values["document"]), []).append(chunk)
    leaving = {id_ for each in head.leaving for id_ in each.documents}
    faults: Counter[str] = Counter()
    for id_, row in published.items():
        held = by_document.pop(id_, [])
        swept = float(row.values["ends"]) < NEVER  # the server may have deleted its chunks
        if row.values["erased"]:
            faults["erased documents have chunks or text left"] += bool(held or texts[id_])
        elif not held and not swept:
            faults["documents that are not erased have no chunk"] += 1
        faults["chunks differ from their document's text"] += sum(
            texts[id_][facts["start"] : facts["stop"]] != facts["body"]
            for facts in map(chunks.facts, held)
        )
        faults["chunks were added or removed at another time than their document"] += sum(
            each.values["added"] != row.values["added"]
            or (_removed(each, head) != _removed(row, head) and id_ not in leaving)
            for each in held
        )
        ordinals = [each.values["ordinal"] for each in held]
        faults["chunks have the place of another chunk"] += len(ordinals) - len(set(ordinals))
    faults["chunks have no document"] += sum(map(len, by_document.values()))
    found = [f"{count} {fault}" for fault, count in faults.items() if count]
    if live != head.documents:
        found.append(f"the newest version counts {head.documents} documents and has {live}")
    return found


def _removed(row: Row, head: Head) -> int:
    """The generation that removed it, as far as that was published."""
    removed = int(row.values["removed"])
    return removed if removed <= head.generation else LIVE


def _is_live(row: Row, head: Head) -> bool:
    return int(row.values["added"]) <= head.generation < int(row.values["removed"])


def _notes(
    head: Head, rows: Sequence[Row], cut: Sequence[Row], chunks_: int, vectors: int
) -> list[str]:
    found = []
    if vectors < chunks_ and head.spec.embedder:
        found.append(f"{chunks_ - vectors} of {chunks_} chunks have no vector yet")
    if head.building:
        found.append("a rebuild was begun and is not finished")
    left = sum(
        int(row.values["added"]) > head.generation
        or head.generation < int(row.values["removed"]) < LIVE
        for row in (*rows, *cut)
    )
    if left:
        found.append(
            f"an interrupted change left {left} objects, which nobody sees; the next change"
            " takes them away"
        )
    return found
