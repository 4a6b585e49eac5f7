"""Everything Fairlead raises on purpose.

    FairleadError        "internal"     exit 1
    ├── InputError       "bad_input"    exit 2   empty, too long, malformed; nothing was changed
    │   ├── NotFound     "not_found"    exit 2   no such thread, trace, tool, collection
    │   └── ThreadBusy   "thread_busy"  exit 2   this thread already has a run in progress
    ├── SettingsError    "settings"     exit 3   settings file, environment, storage folder, schemas
    ├── Refused          "refused"      exit 4   policy, guard or authentication said no
    ├── Unavailable      "unavailable"  exit 5   a dependency is down, locked or full; may pass
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


class CheckFailed(FairleadError):
    """A gate is not met, or something stored is no longer what it was."""

    code = "check_failed"
    exit_code = 6
