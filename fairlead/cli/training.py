"""`fairlead adapters check` and `train`: training data looked at, and an adapter made of it."""

from collections.abc import Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fairlead.cli.cards import SCHEMA, card_fields, said
from fairlead.cli.options import AsJson, By, actor, settings
from fairlead.cli.output import Progress, document, progress, show, table, warn
from fairlead.errors import InputError

if TYPE_CHECKING:
    from fairlead.serving.adapters import AdapterCard, Registry
    from fairlead.serving.adapters.bases import Base
    from fairlead.serving.training import BaseModel, Recipe, Report, Trained
    from fairlead.serving.training.examination import Watch
    from fairlead.serving.training.plan import Plan
    from fairlead.settings import Settings

_COLOURS = {"fail": "red", "warn": "yellow", "info": ""}

Data = Annotated[
    Path, typer.Argument(metavar="DATA.jsonl", help="Chats, or prompts with completions.")
]
Golden = Annotated[
    Path | None,
    typer.Option("--golden", metavar="FILE", help="JSON lines with questions kept for judging."),
]
Validation = Annotated[
    Path | None,
    typer.Option("--validation", metavar="FILE", help="Examples to stop by; else a part of DATA."),
]
Config = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="TOML with settings of training.")
]
Python = Annotated[
    str | None,
    typer.Option("--python", metavar="PATH", help="The Python that trains, with its packages."),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FOLDER", help="Default: training/NAME below storage.path."),
]


def check(
    data: Data,
    golden: Golden = None,
    validation: Validation = None,
    base: Annotated[
        str | None,
        typer.Option("--base", metavar="PATH", help="The base's folder, to count its tokens."),
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Look at training data: what is wrong with it, line by line. Exits 2 where it cannot be
    trained on."""
    import tempfile
    from datetime import UTC, datetime

    from fairlead.serving.training import (
        Encoding,
        Sources,
        prepare,
        read_base_model,
        read_recipe,
    )
    from fairlead.serving.training.tokens import can_render

    recipe = read_recipe(config)
    sources = Sources(data=data, validation=validation, golden=golden)
    with tempfile.TemporaryDirectory(prefix="fairlead-") as place:
        encoding = None
        if base is not None and can_render(_folder(base)):
            now = datetime.now(UTC).isoformat(timespec="seconds")
            model = read_base_model(_folder(base), name=base, digest="")
            encoding = Encoding(base=model, folder=Path(place), now=now)
        with progress() as draw:
            prepared = prepare(sources, recipe, encoding, _drawn(draw))
    report = prepared.report
    if as_json:
        _document(report)
    else:
        _show(report)
        show("ok" if report.ok else "cannot be trained on", "" if report.ok else "red")
    if not report.ok:
        raise typer.Exit(InputError.exit_code)


def train(
    ctx: typer.Context,
    data: Data,
    base: Annotated[
        str, typer.Option("--base", metavar="PATH", help="The base's folder, or NAME=FOLDER.")
    ],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="What it is called.")],
    config: Config = None,
    golden: Golden = None,
    validation: Validation = None,
    python: Python = None,
    out: Out = None,
    epochs: Annotated[
        float | None, typer.Option("--epochs", metavar="N", help="Wins over --config, as all.")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option("--learning-rate", metavar="N", help="Default 2e-4.")
    ] = None,
    rank: Annotated[int | None, typer.Option("--rank", metavar="N", help="Default 16.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", help="Default 42.")] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Throw away what was left unfinished, begin anew.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Look at the data, say what would be done.")
    ] = False,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Train a LoRA adapter on DATA and add it as a draft. Run again, it goes on where it was cut
    off."""
    from fairlead.serving.adapters.digest import checked_name
    from fairlead.serving.training import Sources, Training, look, read_recipe

    given, who, place = settings(ctx), actor(by), checked_name(name)
    changes = {"epochs": epochs, "learning_rate": learning_rate, "seed": seed}
    recipe = read_recipe(config, {"training": _given(changes), "lora": _given({"rank": rank})})
    found, model = _known_base(base)
    _check_admissible(given, name, found, recipe)
    training = Training(
        sources=Sources(data=data, validation=validation, golden=golden),
        base=model,
        recipe=recipe,
        folder=out or given.storage.path / "training" / place,
        python=python,
    )
    if dry_run:
        with progress() as draw:
            report, plan = look(training, _drawn(draw))
        _tell_plan(report, plan, as_json=as_json)
        return
    trained = _trained(training, fresh=fresh)
    with closing(open_registry(given)) as registry:
        added, new = _registered(registry, given, name, found, trained, who)
    warn(*(f"{added.label}: {flag}" for flag in added.flags))
    _tell(added, new, trained, as_json=as_json)


def _trained(training: Any, *, fresh: bool) -> "Trained":
    from fairlead.serving.training import train as run

    with progress() as draw:

        def listen(event: Mapping[str, Any]) -> None:
            if event["event"] == "ready":
                warn(*event["warnings"])
            elif draw and event["event"] in ("begin", "step"):
                draw("train", event["step"], event["steps"])

        return run(training, listen, fresh=fresh, watch=_drawn(draw))


def _drawn(draw: "Progress | None") -> "Watch | None":
    """Draws how much of the data was examined, where drawing is welcome."""
    return partial(draw, "examine") if draw else None


def _registered(
    registry: "Registry", given: "Settings", name: str, base: "Base", trained: "Trained", who: str
) -> "tuple[AdapterCard, bool]":
    """The draft of a trained adapter, and whether it is new: the very last thing that is done."""
    from fairlead.serving.adapters.rollout import add

    return add(
        registry,
        given.rollout,
        trained.adapter,
        name=name,
        base=base,
        by=who,
        data_digest=trained.record["data"]["digest"],
        card={"training": _short(trained.record), "examination": dict(trained.report)},
        why="trained",
    )


def _tell(card: "AdapterCard", new: bool, trained: "Trained", *, as_json: bool) -> None:
    record = _short(trained.record)
    if as_json:
        fields = card_fields(card)
        document(SCHEMA, adapter=fields, added=new, training=record, folder=trained.adapter.parent)
        return
    metrics = record["metrics"]
    loss = f"loss {said(metrics['loss'])}"
    if metrics["validation_loss"] is not None:
        loss += f", on validation {said(metrics['validation_loss'])}"
    show(f"{metrics['steps']} steps in {metrics['seconds']:.0f} s; {loss}")
    show(f"{card.label} is {card.stage}{'' if new else ': it was there already'}")


def _check_admissible(given: "Settings", name: str, base: "Base", recipe: "Recipe") -> None:
    """Raises `InputError` for what the registry would refuse after hours of training."""
    from fairlead.serving.adapters.configuration import SCALE_LIMIT

    most, lora = given.rollout.max_rank, recipe.lora
    if lora.rank > most:
        raise InputError(
            f"rank {lora.rank} is over the servers' limit, rollout.max_rank = {most}",
            hint="Lower lora.rank, or raise rollout.max_rank with the servers' own limit.",
        )
    scale = lora.alpha / (lora.rank**0.5 if lora.rslora else lora.rank)
    if scale > SCALE_LIMIT:
        raise InputError(
            f"lora.alpha {lora.alpha:g} with rank {lora.rank} scales by {scale:.3g}, over"
            f" {SCALE_LIMIT:g}",
            hint="Usual are 1 and 2.",
        )
    with closing(open_registry(given)) as registry:
        known = [card for card in registry.versions(name) if card.base_digest]
    other = next((card for card in known if card.base_digest != base.digest), None)
    if other:
        raise InputError(
            f"{name!r} is an adapter of another base, {other.base!r} ({other.base_digest[:12]})",
            hint="Give adapters of another base another name: both cannot answer on one server.",
        )


def open_registry(given: "Settings") -> "Registry":
    """The registry that the settings name; nothing is read or written yet."""
    from fairlead.serving.adapters import open_registry as opened

    return opened(given)


def _known_base(given: str) -> "tuple[Base, BaseModel]":
    """The base as the registry and as training know it; reads all weights, for the digest."""
    from fairlead.serving.adapters.bases import find_base
    from fairlead.serving.training import read_base_model

    folder = _folder(given)
    found = find_base(given)
    return found, read_base_model(folder, name=found.name, digest=found.digest)


def _folder(base: str) -> Path:
    """The folder that FOLDER or NAME=FOLDER means."""
    name, equals, place = base.partition("=")
    folder = Path(place if equals and place else name).expanduser()
    if not folder.is_dir():
        raise InputError(
            f"there is no folder {str(folder)!r} with a base model",
            hint="Give --base the folder that the model server is started with.",
        )
    return folder


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _short(record: Mapping[str, Any]) -> dict[str, Any]:
    """What `training.json` says, without a line for each step."""
    metrics = {name: value for name, value in record["metrics"].items() if name != "history"}
    return {**record, "metrics": metrics}


def _document(report: "Report", **more: object) -> None:
    document(SCHEMA, data_digest=report.data_digest, ok=report.ok, report=report, **more)


def _show(report: "Report") -> None:
    for finding in report.findings:
        show(f"{finding.severity} {finding.code}: {finding.message}", _COLOURS[finding.severity])
        show(finding.hint, "dim", indent=5)
    tokens, answers = report.tokens, report.answers
    rows = [
        ("examples", f"{report.examples}, {report.distinct} different"),
        ("tokens", f"{tokens.get('all', 0):,}, {tokens.get('answers', 0):,} of answers"),
        ("longest", f"{tokens.get('longest', 0):,} tokens"),
        ("labels", said(answers.labels)),
        ("answers", f"{said(answers.words)} words"),
        ("digest", report.data_digest[:12]),
    ]
    table(("", ""), [(name, text) for name, text in rows if text])


def _tell_plan(report: "Report", plan: "Plan", *, as_json: bool) -> None:
    if as_json:
        _document(report, plan=plan, dry_run=True)
        return
    _show(report)
    memory = {name: _size(count) for name, count in plan.memory.items()}
    rows = [
        ("sequences", f"{plan.train} to train, {plan.validation} to validate"),
        ("steps", f"{plan.steps}, {plan.steps_per_epoch} an epoch"),
        ("looks", f"every {plan.evaluate_every} steps"),
        ("trained", f"{plan.parameters:,} numbers"),
        ("memory", f"about {_size(sum(plan.memory.values()))}: {said(memory)}"),
        ("disk", f"about {_size(plan.disk)}"),
    ]
    table(("", ""), rows)


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
