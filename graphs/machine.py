"""The machine: admit, plan, retrieve or call, guard, plan …, answer, verify.

Where no checkpoint is needed between two nodes they share a superstep, since a superstep with its
checkpoint is what a hop costs: `admit` and `guard` also make the next plan, and `answer` also
verifies. `plan` on its own serves the draft that verification sent back.
"""

from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from fairlead.graphs.actions import call_node, guard_node, retrieve_node
from fairlead.graphs.nodes import admit_node, fuse, plan_node
from fairlead.graphs.parts import Parts
from fairlead.graphs.reply import answer_node, verify_node
from fairlead.graphs.state import Input, Output, State

STEPS_PER_HOP = 3
"""Supersteps of one hop at most: an action, its guard, and a plan of its own."""
Machine = CompiledStateGraph[State, None, Input, Output]


def build_machine(parts: Parts, checkpointer: BaseCheckpointSaver[Any] | None = None) -> Machine:
    """The compiled graph: input `{"question": str}`, output key `answer`.

    Thread in `configurable.thread_id`, principal in `configurable.fairlead_principal`, else that
    of `parts`. The recursion limit is set from the hops budget; a run within its budgets never
    meets it.
    """
    graph = StateGraph(State, input_schema=Input, output_schema=Output)
    plan, ways = plan_node(parts), ("retrieve", "call", "answer")
    graph.add_node("admit", fuse(admit_node(parts), plan), destinations=ways)
    graph.add_node("plan", plan, destinations=ways)
    graph.add_node("retrieve", retrieve_node(parts))
    graph.add_node("call", call_node(parts))
    graph.add_node("guard", fuse(guard_node(parts), plan), destinations=ways)
    graph.add_node(
        "answer", fuse(answer_node(parts), verify_node(parts)), destinations=("plan", END)
    )
    graph.add_edge(START, "admit")
    graph.add_edge("retrieve", "guard")
    graph.add_edge("call", "guard")
    compiled = graph.compile(checkpointer=checkpointer, name=parts.agent)
    limit = STEPS_PER_HOP * (parts.settings.budgets.hops + 2) + 2
    return compiled.with_config({"recursion_limit": limit})
