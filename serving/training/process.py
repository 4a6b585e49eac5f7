"""The process that trains: started, listened to, and its failures put into words."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

from fairlead.errors import FairleadError, InputError, SettingsError, Unavailable
from fairlead.serving.training.interpreter import surroundings

Event: TypeAlias = Mapping[str, Any]
Listen: TypeAlias = Callable[[Event], None]
_SCRIPT: Final = Path(__file__).with_name("worker.py")
_AGAIN: Final = "Run the same command again: it goes on from the last checkpoint."
_SMALLER: Final = (
    "Lower training.batch_size (and raise training.accumulation) or data.max_tokens, set "
    'training.gradient_checkpointing = true, or, on a GPU, training.quantise = "nf4".'
)
_KINDS: Final[Mapping[str, tuple[type[FairleadError], str, str]]] = {
    "memory": (Unavailable, "there is not enough memory to train", _SMALLER),
    "disk": (Unavailable, "no space left to write checkpoints", f"Free some. {_AGAIN}"),
    "busy": (Unavailable, "another process is training in this folder", "Wait for it."),
    "diverged": (
        InputError,
        "the training went astray",
        "Lower training.learning_rate, and begin anew with --fresh.",
    ),
    "packing": (
        SettingsError,
        "this base cannot be trained on packed rows",
        "Set training.packing = false.",
    ),
    "deterministic": (
        SettingsError,
        "this base has an operation that is not deterministic here",
        "Set training.deterministic = false.",
    ),
}


def run(python: str, job: Path, log: Path, listen: Listen) -> None:
    """Trains what the job's file says, and tells `listen` every event.

    The process ends with this one, whatever ends it. Raises what `_KINDS` says; a process that was
    killed is `Unavailable`.
    """
    failure: Event | None = None
    with (
        log.open("a", encoding="utf-8") as errors,
        subprocess.Popen(
            [python, "-P", str(_SCRIPT), str(job)],
            stdin=subprocess.PIPE,  # held open: the process ends when it is closed
            stdout=subprocess.PIPE,
            stderr=errors,
            env=surroundings(python),
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C reaches this process, which then closes the pipe
        ) as process,
    ):
        try:
            for event in _events(process.stdout or ()):
                if event["event"] == "failed":
                    failure = event
                else:
                    listen(event)
            process.wait()
        except BaseException:
            process.kill()  # the last checkpoint stays
            raise
    if process.returncode or failure:
        raise _explained(failure, process.returncode, log)


def _events(lines: Iterable[str]) -> Iterable[Event]:
    for line in lines:
        if line.startswith("{"):
            event = json.loads(line)
            if "event" in event:
                yield event


def _explained(failure: Event | None, status: int, log: Path) -> FairleadError:
    if failure and failure["code"] in _KINDS:
        kind, said, hint = _KINDS[failure["code"]]
        return kind(f"{said}: {failure['message']}", hint=hint)
    if failure is None and status == -signal.SIGKILL:
        return Unavailable(
            "the training process was killed, as happens where memory runs out",
            hint=f"{_AGAIN} {_SMALLER}",
        )
    last = _last_line(log)
    said = failure["message"] if failure else f"exit status {status}: {last}"
    return FairleadError(f"the training failed: {said}", hint=f"{str(log)!r} says more.")


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "nothing was said"


def write_whole(path: Path, value: object) -> None:
    """JSON in a file that is there whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    with part.open("w", encoding="utf-8") as file:
        json.dump(value, file, indent=2, ensure_ascii=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
