"""The machine: LangGraph's state, nodes, checkpoints. The only room that imports LangGraph."""

from fairlead.graphs.actions import call_node, guard_node, retrieve_node
from fairlead.graphs.checkpoints import Checkpoints
from fairlead.graphs.machine import build_machine
from fairlead.graphs.nodes import admit_node, fuse, plan_node
from fairlead.graphs.parts import Parts
from fairlead.graphs.reply import answer_node, verify_node
from fairlead.graphs.state import State

__all__ = [
    "Checkpoints",
    "Parts",
    "State",
    "admit_node",
    "answer_node",
    "build_machine",
    "call_node",
    "fuse",
    "guard_node",
    "plan_node",
    "retrieve_node",
    "verify_node",
]
