"""The saver against LangGraph's own conformance suite, and the promises it adds."""

import sqlite3
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypedDict

import ormsgpack
import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.graph import END, START, StateGraph

from fairlead.errors import Refused
from fairlead.graphs import Checkpoints
from fairlead.schema import Principal

ACME = Principal(tenant="acme")


def place(thread: str, principal: Principal | None = ACME) -> RunnableConfig:
    return {"configurable": {"thread_id": thread, "fairlead_principal": principal}}


class Counted(TypedDict, total=False):
    n: int
    text: str


def counting(saver: Checkpoints) -> Any:
    async def add(state: Counted) -> Counted:
        return {"n": state.get("n", 0) + 1}

    graph = StateGraph(Counted)
    graph.add_node("one", add)
    graph.add_node("two", add)
    graph.add_edge(START, "one")
    graph.add_edge("one", "two")
    graph.add_edge("two", END)
    return graph.compile(checkpointer=saver)


async def test_passes_langgraphs_conformance_suite(tmp_path: Path) -> None:
    files = iter(range(10_000))

    @checkpointer_test(name="Checkpoints")
    async def saver() -> AsyncGenerator[Checkpoints, None]:
        made = Checkpoints(tmp_path / f"{next(files)}.db", principal=ACME)
        yield made
        made.close()

    report = await validate(saver)
    assert report.passed_all_base(), report.to_dict()


async def test_a_thread_belongs_to_its_tenant(tmp_path: Path) -> None:
    saver = Checkpoints(tmp_path / "runs.db")
    graph = counting(saver)
    await graph.ainvoke({"n": 1}, place("t"))
    assert (await graph.aget_state(place("t"))).values["n"] == 3
    assert not (await graph.aget_state(place("t", Principal(tenant="other")))).values
    with pytest.raises(Refused):
        await graph.aget_state(place("t", None))
    saver.close()


async def test_a_step_writes_only_what_changed(tmp_path: Path) -> None:
    saver = Checkpoints(tmp_path / "runs.db", principal=ACME)
    graph = counting(saver)
    await graph.ainvoke({"n": 1, "text": "x" * 100_000}, place("t"))
    saver.close()
    db = sqlite3.connect(tmp_path / "runs.db")
    sizes = [n for (n,) in db.execute("SELECT length(body) FROM checkpoint ORDER BY seq")]
    assert len(sizes) == 4
    assert sizes[0] > 100_000 and max(sizes[2:]) < 2_000, sizes
    assert db.execute("SELECT count(*) FROM pending").fetchone()[0] == 0
    db.close()


async def test_foreign_types_are_not_rebuilt(tmp_path: Path) -> None:
    saver = Checkpoints(tmp_path / "runs.db", principal=ACME)
    graph = counting(saver)
    await graph.ainvoke({"n": 1, "text": "x"}, place("t"))
    call = ormsgpack.packb(("builtins", "len", ["four"]))
    evil = ormsgpack.packb(ormsgpack.Ext(0, call))
    for tag in ("msgpack", "fairlead/NoSuchType", "pickle"):
        with suppress(NotImplementedError):
            assert saver.serde.loads_typed((tag, evil)) != 4, "len() was called by loading"
    saver.close()


async def test_what_a_finished_task_wrote_survives_without_its_checkpoint(tmp_path: Path) -> None:
    saver = Checkpoints(tmp_path / "runs.db", principal=ACME)
    config = await saver.aput(place("t"), _checkpoint("1"), {}, {})
    await saver.aput_writes(config, [("n", 7)], "task-1")
    again = Checkpoints(tmp_path / "runs.db", principal=ACME)
    assert again.get_tuple(config) is not None
    seen = saver.get_tuple(config)  # reading writes down what was held back
    assert seen is not None and seen.pending_writes == [("task-1", "n", 7)]
    other = again.get_tuple(config)
    assert other is not None and other.pending_writes == [("task-1", "n", 7)]
    again.close()
    saver.close()


def _checkpoint(at: str) -> Any:
    return {
        "v": 1,
        "id": at,
        "ts": "2026-01-01T00:00:00+00:00",
        "channel_values": {},
        "channel_versions": {},
        "versions_seen": {},
    }
