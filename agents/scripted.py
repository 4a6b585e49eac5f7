"""A planner that follows a script: for tests, demonstrations and hosts that decide themselves."""

from collections.abc import Callable, Iterable, Mapping

from fairlead.decisions import AnyDecision, Decision, View
from fairlead.errors import InputError
from fairlead.schema import Json

Step = Decision | Mapping[str, Json]
"""A decision, or the fields of one."""


class ScriptedPlanner:
    """Gives the decisions of a list one after the other, or asks a function of the view.

    The list is used up over all runs of this planner. Raises `InputError` for an entry that is no
    decision (at once, before anything runs), and when the list has none left.
    """

    def __init__(self, script: Iterable[Step] | Callable[[View], Step]) -> None:
        self._choose = script if callable(script) else None
        self._steps = [] if callable(script) else [Decision.parse(step) for step in script]
        self._given = 0

    async def plan(self, view: View) -> AnyDecision:
        """The next decision."""
        if self._choose is not None:
            return Decision.parse(self._choose(view))
        if self._given == len(self._steps):
            raise InputError(
                f"the script of {self._given} decisions is used up, and hop {len(view.hops) + 1} "
                "needs one more",
                hint="End the script with an answer, ask or stop decision for every run.",
            )
        self._given += 1
        return self._steps[self._given - 1]
