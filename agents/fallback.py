"""Two answerers, the second for when the first cannot be reached."""

from dataclasses import replace
from typing import Final

from fairlead.decisions import View
from fairlead.errors import SettingsError, Unavailable
from fairlead.protocols import Answerer
from fairlead.schema import Draft

SPARED: Final = 0.25
"""Of the run's time that is left, what `first` may not use up, and at most `SPARED_SECONDS`."""
SPARED_SECONDS: Final = 5.0


class FallbackAnswerer:
    """Asks `first`; while that is unavailable or its server will not take what is asked, `second`
    answers, and the draft says so."""

    def __init__(self, first: Answerer, second: Answerer) -> None:
        self._first, self._second = first, second

    async def answer(self, view: View) -> Draft:
        left = view.budget.seconds
        spared = min(SPARED * left, SPARED_SECONDS)
        try:
            return await self._first.answer(
                replace(view, budget=replace(view.budget, seconds=left - spared))
            )
        except (Unavailable, SettingsError) as error:
            draft = await self._second.answer(view)
            said = f"{error.message}; the embedded default answered instead"
            return replace(draft, warnings=(*draft.warnings, said))
