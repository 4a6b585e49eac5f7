"""Why an adapter is not taken, each reason by a code that programs can rely on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fairlead.errors import InputError

SHOWN: Final = 8
"""Reasons that a message names; a broken file can have one for each tensor."""


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One thing that is wrong with an adapter."""

    code: str
    message: str


class AdapterRefused(InputError):
    """An adapter that must not be served; nothing was stored or changed."""

    def __init__(self, what: str, reasons: Sequence[Reason], *, hint: str = "") -> None:
        self.reasons = tuple(reasons)
        said = [reason.message for reason in self.reasons[:SHOWN]]
        if len(self.reasons) > SHOWN:
            said.append(f"and {len(self.reasons) - SHOWN} more")
        super().__init__(
            f"{what} is refused: {'; '.join(said)}",
            hint=hint or "Mend it where it was made, and add it again; nothing was changed.",
        )


class Unsound(InputError):
    """A file that is not what its format says."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.reason = Reason(code=code, message=message)
