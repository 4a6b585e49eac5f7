from fairlead.retrieval.pipeline.links import strengths
from fairlead.retrieval.store import Snapshot
from fairlead.retrieval.stored import Ref


async def by_document(snapshot: Snapshot) -> dict[str, Ref]:
    held = await snapshot.candidates(list(await snapshot.sample(10)))
    return {candidate.hit.document_id: ref for ref, candidate in held.items()}


async def test_a_shared_name_links(snapshot: Snapshot) -> None:
    refs = await by_document(snapshot)
    found = await strengths(snapshot, {refs["solaris"]: 1.0}, asked=())
    assert found[refs["tarkovsky"]] == 1.0
    assert refs["bread"] not in found


async def test_names_in_the_question_do_not_link(snapshot: Snapshot) -> None:
    refs = await by_document(snapshot)
    asked = {"andrei tarkovsky"}
    assert refs["tarkovsky"] not in await strengths(snapshot, {refs["solaris"]: 1.0}, asked=asked)


async def test_nothing_found_links_nothing(snapshot: Snapshot) -> None:
    assert await strengths(snapshot, {}, asked=()) == {}
