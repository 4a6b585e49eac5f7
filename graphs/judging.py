"""A judge's part in verification: whether a model's sentences follow from what they cite."""

import asyncio
from dataclasses import dataclass, field, replace

from fairlead.agents import Fault, entailed
from fairlead.agents.mending import Judge
from fairlead.decisions import View
from fairlead.errors import Unavailable
from fairlead.graphs.journey import Journey
from fairlead.graphs.parts import Parts
from fairlead.graphs.state import Progress
from fairlead.schema import Draft, Usage


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What a judge found in a draft, and what that took."""

    found: tuple[Fault, ...] = ()
    usage: Usage = field(default_factory=Usage)
    warnings: tuple[str, ...] = ()
    prompt: str = ""
    limit: str = ""
    """The budget that did not let a judge be asked who had to be."""
    away: str = ""
    """Why a judge could not be asked who had to be."""

    @property
    def missed(self) -> bool:
        return bool(self.limit or self.away)

    def counted(self, progress: Progress) -> Progress:
        """The progress with what judging took, and what it lacked."""
        if self == UNASKED:
            return progress
        progress = progress.counted(
            "judge", usage=self.usage, warnings=self.warnings, prompt=self.prompt
        )
        return replace(
            progress,
            limit=progress.limit or self.limit,
            away=progress.away or self.away,
        )


UNASKED = Judged()


async def judged(parts: Parts, journey: Journey, draft: Draft, view: View) -> Judged:
    """What the judge finds, where there is one. A warning says where it could not be asked; a
    draft that had to be judged is missed then."""
    given = parts.entailment
    if given is None or draft.route.model == "embedded":
        return UNASKED
    if not isinstance(given, Judge):
        heard, asked, required = None, given, False
    else:
        heard = asked = given.hear(view)
        required = given.required
    found: tuple[Fault, ...] = ()
    why = limit = ""
    try:
        if view.budget.tokens <= 0:  # the draft took them
            limit = f"{parts.settings.budgets.tokens} tokens"
            why = f"the budget of {limit} is used up"
        else:
            async with asyncio.timeout(journey.seconds_left):
                found = await entailed(draft, view, asked)
    except TimeoutError:
        why, limit = "there was no time left", f"{journey.run.seconds:g} seconds"
    except Unavailable as error:
        why = error.message
    took = Judged(found=found)
    if heard is not None:
        prompt = heard.prompt if heard.usage.model_calls else ""
        took = replace(took, usage=heard.usage, warnings=heard.warnings, prompt=prompt)
    if why and required:
        return replace(took, limit=limit, away="" if limit else why)
    if why:
        said = f"the answer was checked by words alone: {why}"
        return replace(took, warnings=(*took.warnings, said))
    return took
