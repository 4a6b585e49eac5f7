"""Everything Fairlead raises on purpose.

    FairleadError        "internal"     exit 1
    ├── InputError       "bad_input"    exit 2   empty, too long, malformed; nothing was changed
    │   ├── NotFound     "not_found"    exit 2   no such thread, trace, tool, collection
    │   └── ThreadBusy   "thread_busy"  exit 2   this thread already has a run in progress
    ├── SettingsError    "settings"     exit 3   settings file, environment, storage folder, schemas
    ├── Refused          "refused"      exit 4   policy, guard or authentication said no
    ├── Unavailable      "unavailable"  exit 5   a dependency is down, locked or full; may pass
    │   └── BadReply     "bad_reply"    exit 5   a model's answer was cut off or cannot be read
    │       └── BadForm  "bad_form"     exit 5   it is whole, and not of the form asked for
    └── CheckFailed      "check_failed" exit 6   a gate is not met; what is stored was changed

Each carries a `message` (what is wrong, names quoted) and a `hint` (what to do next).
"""

from typing import ClassVar


class FairleadError(Exception):
    """Something Fairlead could not do; `exit_code` is the command line's exit status for it."""

    code: ClassVar[str] = "internal"
    exit_code: ClassVar[int] = 1
    transient: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "", trace_id: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.trace_id = trace_id


class InputError(FairleadError):
    """The caller's input cannot be used; nothing was changed."""

    code = "bad_input"
    exit_code = 2


class NotFound(InputError):
    """The named thing does not exist, or belongs to somebody else."""

    code = "not_found"


class ThreadBusy(InputError):
    """A second question on a thread whose run is still going."""

    code = "thread_busy"


class SettingsError(FairleadError):
    """The configuration cannot work as it stands."""

    code = "settings"
    exit_code = 3


class Refused(FairleadError):
    """Policy, a guard or authentication said no."""

    code = "refused"
    exit_code = 4


class Unavailable(FairleadError):
    """A dependency is unreachable, locked or full; trying again later may help."""

    code = "unavailable"
    exit_code = 5
    transient = True


class BadReply(Unavailable):
    """A model's answer that cannot be used; `arrived` is the text that came, `usage` what it cost
    (a `Usage`) where that is known."""

    code = "bad_reply"

    def __init__(
        self, message: str, *, hint: str = "", arrived: str = "", usage: object = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.arrived = arrived
        self.usage = usage


class BadForm(BadReply):
    """A model's output that is whole and has not the form that was asked for; asking again may
    help, telling what was wrong with it helps more."""

    code = "bad_form"


class CheckFailed(FairleadError):
    """A gate is not met, or something stored is no longer what it was."""

    code = "check_failed"
    exit_code = 6
