"""Trains an adapter: examines, prepares, runs the process, and leaves a folder that is whole.

Below the folder of a training lie, in the end, `adapter/` (the weights in safetensors, and their
configuration), `training.json` and `report.json`. While it runs there is `run/` with checkpoints
and `state.json`, which says what the run is made from: the same data, base and settings go on with
it, others are refused.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from fairlead.errors import InputError, Unavailable
from fairlead.serving.training.base_model import BaseModel, check_targets
from fairlead.serving.training.examination import Report, Watch
from fairlead.serving.training.findings import of_severity
from fairlead.serving.training.interpreter import (
    Interpreter,
    check_quantised,
    find_interpreter,
)
from fairlead.serving.training.plan import Plan, make_plan
from fairlead.serving.training.preparation import (
    TRAIN,
    VALIDATION,
    Encoding,
    Prepared,
    Sources,
    most_tokens,
    prepare,
    refusal,
    write_rows,
)
from fairlead.serving.training.process import Listen, run, write_whole
from fairlead.serving.training.recipe import Recipe
from fairlead.serving.training.tokens import can_render
from fairlead.storage import Leases, plainly

FORM: Final = 1
"""Of what a run is made from; another one does not go on with it."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """What is trained, from what, how and where."""

    sources: Sources
    base: BaseModel
    recipe: Recipe
    folder: Path
    python: str | None = None


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A training that could begin; nothing was written where it would be."""

    prepared: Prepared
    plan: Plan
    interpreter: Interpreter
    identity: Mapping[str, Any]
    now: str
    """The time that the chat template saw."""
    rows: Path
    """A folder with its token and row files."""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A finished training."""

    adapter: Path
    """Folder of the weights and their configuration, as the registry admits them."""
    record: Mapping[str, Any]
    """What `training.json` says."""
    report: Mapping[str, Any]
    """What `report.json` says."""
    fresh: bool
    """False where it was finished already."""


def look(training: Training, watch: Watch | None = None) -> tuple[Report, Plan]:
    """What training would do; writes nothing that stays. Raises as `train` does."""
    with tempfile.TemporaryDirectory(prefix="fairlead-") as place:
        ready = _ready(training, Path(place), _now(), watch)
    return ready.prepared.report, ready.plan


def train(
    training: Training,
    listen: Listen = lambda _: None,
    *,
    fresh: bool = False,
    watch: Watch | None = None,
) -> Trained:
    """Trains, or goes on with a training that was cut off, or finds it finished.

    `fresh` throws away what another training left unfinished in the folder. Raises `InputError` for
    data or a base that cannot be trained on and for a folder that holds another unfinished
    training; `SettingsError` where packages, CUDA or settings are wrong; `Unavailable` where
    memory, disk space or another process's work is in the way. Whatever it raises, no adapter is
    left half made.
    """
    folder, place = training.folder, training.folder / "run"
    with tempfile.TemporaryDirectory(prefix="fairlead-") as staged:
        now = _read(place / "state.json").get("now") or _now()
        ready = _ready(training, Path(staged), now, watch)
        with _alone(folder):
            if not fresh and (found := _finished(folder, ready)):
                return found
            state = {} if fresh else _read(place / "state.json")
            _check_same(folder, state, ready)
            listen({"event": "ready", "warnings": _warnings(ready), "steps": ready.plan.steps})
            if not state:
                shutil.rmtree(place, ignore_errors=True)
                _check_space(folder, ready.plan)
                _begin(place, ready, training)
            if not (place / "result.json").is_file() or not (place / "adapter").is_dir():
                run(ready.interpreter.python, place / "job.json", place / "log.txt", listen)
            return _finish(training, ready)


def _ready(training: Training, place: Path, now: str, watch: Watch | None) -> Ready:
    recipe, base = training.recipe, training.base
    check_targets(base, recipe.lora.targets)
    interpreter = find_interpreter(training.python)
    check_quantised(interpreter, recipe.training)
    elsewhere = "" if can_render(base.folder) else interpreter.python
    encoding = Encoding(base=base, folder=place, now=now, python=elsewhere)
    prepared = prepare(training.sources, recipe, encoding, watch)
    if not prepared.report.ok:
        raise refusal(prepared.report.data, prepared.report.findings)
    room = most_tokens(recipe, base)
    rows = write_rows(prepared, place, room=room if recipe.training.packing else 0)
    plan = make_plan(
        recipe,
        base,
        interpreter.precision(recipe.training),
        train=[(each.length, each.answered) for each in prepared.part(TRAIN)],
        validation=len(prepared.part(VALIDATION)),
        rows=rows,
        room=room,
    )
    identity = {
        "form": FORM,
        "data": prepared.report.data_digest,
        "validation": prepared.validation_digest,
        "base": {"name": base.name, "digest": base.digest},
        "settings": recipe.model_dump(mode="json"),
        "precision": interpreter.precision(recipe.training),
    }
    return Ready(
        prepared=prepared,
        plan=plan,
        interpreter=interpreter,
        identity=identity,
        now=now,
        rows=place,
    )


def _warnings(ready: Ready) -> list[str]:
    return [each.message for each in of_severity(ready.prepared.report.findings, "warn")]


def _begin(place: Path, ready: Ready, training: Training) -> None:
    """The run's folder, with everything but checkpoints; its state is written last."""
    place.mkdir()
    for each in ready.rows.iterdir():
        shutil.move(each, place / each.name)
    settings = training.recipe.model_dump(mode="json")
    job = {
        "folder": str(place.absolute()),
        "base": str(training.base.folder.absolute()),
        "base_name": training.base.name,
        "lora": settings["lora"],
        "training": settings["training"],
        "precision": ready.identity["precision"],
        "steps": ready.plan.steps,
        "evaluate_every": ready.plan.evaluate_every,
    }
    write_whole(place / "job.json", job)
    write_whole(place / "state.json", {"identity": ready.identity, "now": ready.now})


def _check_same(folder: Path, state: Mapping[str, Any], ready: Ready) -> None:
    """Raises `InputError` where the folder holds an unfinished training of something else."""
    if not state or state["identity"] == ready.identity:
        return
    changed = sorted(_differences(state["identity"], dict(ready.identity)))
    raise InputError(
        f"an unfinished training lies in {str(folder)!r}, and it differs in {', '.join(changed)}",
        hint="Give what it was begun with to go on, or --fresh to throw it away and begin anew.",
    )


def _differences(one: Mapping[str, Any], other: Mapping[str, Any], at: str = "") -> Iterator[str]:
    for name in one.keys() | other.keys():
        before, after = one.get(name), other.get(name)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _differences(before, after, f"{at}{name}.")
        elif before != after:
            yield f"{at}{name}".removeprefix("settings.")


def _digest(identity: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def _finished(folder: Path, ready: Ready) -> Trained | None:
    """The training that lies there whole, where it is this one."""
    record = _read(folder / "training.json")
    if record.get("identity") != _digest(ready.identity) or not (folder / "adapter").is_dir():
        return None
    shutil.rmtree(folder / "run", ignore_errors=True)
    return _lying(folder, fresh=False)


def _lying(folder: Path, *, fresh: bool) -> Trained:
    return Trained(
        adapter=folder / "adapter",
        record=_read(folder / "training.json"),
        report=_read(folder / "report.json"),
        fresh=fresh,
    )


def _finish(training: Training, ready: Ready) -> Trained:
    """Puts the results in their place. A crash in between leaves what doing it again mends."""
    folder, place = training.folder, training.folder / "run"
    result = _read(place / "result.json")
    environment = result.pop("environment")
    report = {"schema": "fairlead.examination/1", **asdict(ready.prepared.report)}
    record = {
        "schema": "fairlead.training/1",
        "data": {
            "file": training.sources.data.name,
            "digest": ready.prepared.report.data_digest,
            "examples": ready.prepared.report.examples,
            "validation_digest": ready.prepared.validation_digest,
        },
        "base": ready.identity["base"],
        "settings": ready.identity["settings"],
        "precision": ready.identity["precision"],
        "plan": asdict(ready.plan),
        "metrics": result,
        "environment": environment,
        "finished_at": _now(),
        "identity": _digest(ready.identity),
    }
    shutil.rmtree(folder / "adapter", ignore_errors=True)
    write_whole(folder / "report.json", report)
    write_whole(folder / "training.json", record)
    (place / "adapter").rename(folder / "adapter")
    shutil.rmtree(place)
    return _lying(folder, fresh=True)


def _check_space(folder: Path, plan: Plan) -> None:
    free = shutil.disk_usage(folder).free
    if free < plan.disk:
        raise Unavailable(
            f"checkpoints need about {plan.disk / 1e9:.1f} GB in {str(folder)!r}, and"
            f" {free / 1e9:.1f} are free",
            hint="Free some disk space, or name another folder with --out.",
        )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Holds the folder; nobody else trains in it meanwhile."""
    with plainly(folder):
        folder.mkdir(parents=True, exist_ok=True)
    leases = Leases.at(folder / ".lock")
    if not leases.take("training"):
        raise Unavailable(
            f"another process is training in {str(folder)!r}",
            hint="Wait for it, or name another folder with --out.",
        )
    try:
        yield
    finally:
        leases.give("training")


def _read(path: Path) -> dict[str, Any]:
    """A JSON object; empty where it is not there or was cut off."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _now() -> str:
    """RFC 3339 in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")
