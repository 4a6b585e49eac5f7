"""`fairlead adapters`: versions of LoRA adapters, how they come to answer, and how they go."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fairlead.cli import scoring
from fairlead.cli.cards import (
    SCHEMA,
    card_fields,
    card_row,
    card_stage,
    read_card,
    said,
    show_draft,
    tell_history,
)
from fairlead.cli.failure import CHECK_FAILED
from fairlead.cli.options import AsJson, By, Yes, actor, confirm, settings
from fairlead.cli.output import document, fields_of, show, table, warn
from fairlead.cli.training import check, train
from fairlead.errors import FairleadError, InputError, NotFound

if TYPE_CHECKING:
    from fairlead.serving.adapters import AdapterCard, Registry
    from fairlead.settings import Settings

adapters = typer.Typer(
    no_args_is_help=True, help="LoRA adapters: versions, canaries, promotion, rollback."
)

Version = Annotated[str, typer.Argument(metavar="NAME@VERSION", help="As `adapters ls` shows it.")]
Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="For the history.")]
Base = Annotated[
    str, typer.Option("--base", metavar="BASE", help="Its base: NAME, FOLDER or NAME=FOLDER.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check it, and change nothing.")]


@adapters.command("ls")
def ls(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Only this one.")] = None,
    removed: Annotated[
        bool, typer.Option("--all", help="Also versions whose content was removed.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List versions, newest first."""
    with _opened(settings(ctx)) as registry:
        found = registry.versions(name, removed=removed)
    if as_json:
        document(SCHEMA, adapters=[card_fields(card) for card in found])
        return
    columns = ("adapter", "stage", "share", "digest", "base", "scores")
    table(columns, map(card_row, found), numbers="share")


@adapters.command("show")
def show_one(
    ctx: typer.Context,
    which: Annotated[
        str, typer.Argument(metavar="NAME[@VERSION]", help="A number or a stage; else the newest.")
    ],
    as_json: AsJson = False,
) -> None:
    """Show one version: what is known, what was measured, what it lacks to be stable."""
    from fairlead.serving.adapters.outcomes import Outcomes
    from fairlead.serving.adapters.rollout import readiness
    from fairlead.serving.adapters.watch import Watch

    given = settings(ctx)
    with _opened(given) as registry:
        card = registry.find(which)
        ready = readiness(registry, given.rollout, card)
        measured = Outcomes(registry.database).summary(card.name, card.version)
        evidence = Watch(registry, given.rollout).evidence(card) if card.stage == "canary" else {}
        history = registry.history(card.name, card.version)
    if as_json:
        document(
            SCHEMA,
            adapter=card_fields(card),
            measured=measured,
            readiness={**fields_of(ready), "ready": ready.ready},
            evidence=evidence,
            history=history,
        )
        return
    table(("", ""), [(name, said(value)) for name, value in card_fields(card).items() if value])
    show("")
    rows = [(name, said(value)) for name, value in fields_of(measured).items()]
    table(("", ""), rows if measured.requests else [("requests", "none yet")])
    for gate in ready.gates:
        show(f"gate {gate.metric} at least {gate.least:g}: {said(gate.found) or 'not recorded'}")
    if ready.needed:
        show(f"approved by {len(ready.approvers)} of {ready.needed} {', '.join(ready.approvers)}")
    for metric, value in evidence.items():
        show(f"guard {metric}: e-value {value:.3g}")
    show("")
    tell_history(history)


@adapters.command("add")
def add(
    ctx: typer.Context,
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="Folder with the adapter, as peft saves it.")
    ],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="What it is called.")],
    base: Base,
    data_digest: Annotated[
        str, typer.Option("--data-digest", metavar="HEX", help="Of its training data.")
    ] = "",
    card: Annotated[
        Path | None, typer.Option("--card", metavar="FILE", help="JSON object that tells of it.")
    ] = None,
    by: By = None,
    why: Why = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Check an adapter and add it as the next draft of its name."""
    from fairlead.serving.adapters import rollout
    from fairlead.serving.adapters.bases import find_base
    from fairlead.serving.adapters.digest import checked_name

    given, found, told = settings(ctx), find_base(base), read_card(card)
    if not found.digest:
        warn(f"only the name of the base {base!r} is compared; name its folder to compare shapes")
    if dry_run:
        admitted = rollout.examine_folder(path, found, given.rollout)
        show_draft(checked_name(name), admitted, as_json=as_json)
        return
    with _opened(given) as registry:
        added, new = rollout.add(
            registry,
            given.rollout,
            path,
            name=name,
            base=found,
            by=actor(by),
            data_digest=data_digest,
            card=told,
            why=why,
        )
    warn(*(f"{added.label}: {flag}" for flag in added.flags))
    if not new and added.condemned:
        warn(f"{added.label} was rolled back before")
    if as_json:
        document(SCHEMA, adapter=card_fields(added), added=new)
    else:
        show(f"{added.label} is {added.stage}{'' if new else ': it was there already'}")


adapters.command("check")(check)
adapters.command("train")(train)


@adapters.command("verify")
def verify(
    ctx: typer.Context,
    what: Annotated[
        str | None,
        typer.Argument(metavar="[NAME|NAME@VERSION|PATH]", help="Default: all that is stored."),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option("--base", metavar="BASE", help="For PATH: NAME, FOLDER or NAME=FOLDER."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check that stored content is what was admitted, or what `add` would say of a folder."""
    given = settings(ctx)
    if what is not None and (base is not None or "/" in what):
        checks = [_check_folder(given, Path(what), base)]
    else:
        checks = list(_check_stored(given, what))
    if as_json:
        document(SCHEMA, ok=all(not problems for _, problems in checks), checks=dict(checks))
    else:
        for label, problems in checks:
            show(f"{label}: {'; '.join(problems) or 'ok'}", "red" if problems else "")
    if any(problems for _, problems in checks):
        raise typer.Exit(CHECK_FAILED)


@adapters.command("promote")
def promote(
    ctx: typer.Context,
    which: Version,
    to: Annotated[str, typer.Option("--to", metavar="STAGE", help="candidate, stable or retired.")],
    by: By = None,
    why: Why = "",
    as_json: AsJson = False,
) -> None:
    """Move a version to another stage; a new stable one takes the old one's place."""
    from fairlead.serving.adapters import rollout
    from fairlead.serving.adapters.stages import stage_named

    given, stage = settings(ctx), stage_named(to)

    def work(registry: "Registry") -> "AdapterCard":
        card = registry.find(_versioned(which))
        return rollout.promote(registry, given.rollout, card, stage, by=actor(by), why=why)

    _changed(given, work, as_json=as_json)


@adapters.command("canary")
def canary(
    ctx: typer.Context,
    which: Version,
    share: Annotated[
        float | None,
        typer.Option(
            "--share",
            metavar="PERCENT",
            help="Of new conversations; default: the next of rollout.steps.",
        ),
    ] = None,
    by: By = None,
    why: Why = "",
    as_json: AsJson = False,
) -> None:
    """Let a candidate answer a share of new conversations, or change a canary's share."""
    from fairlead.serving.adapters import rollout

    given = settings(ctx)

    def work(registry: "Registry") -> "AdapterCard":
        card = registry.find(_versioned(which))
        return rollout.start_canary(registry, given.rollout, card, share, by=actor(by), why=why)

    _changed(given, work, as_json=as_json)


@adapters.command("rollback")
def rollback(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="An adapter.")],
    by: By = None,
    why: Why = "",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """End the canary; without one, go back to the version before the stable one."""
    from fairlead.serving.adapters import rollout

    with _opened(settings(ctx)) as registry:
        standing = registry.standing(name)
        going = standing.canary or standing.stable
        if going:
            confirm(f"Roll {going.label!r} back?", yes=yes, needed=False)
        bad, stable = rollout.roll_back(registry, name, by=actor(by), why=why)
    if as_json:
        document(SCHEMA, adapter=card_fields(bad), stable=card_fields(stable) if stable else None)
    else:
        show(f"{bad.label} is retired; {stable.label + ' is stable' if stable else 'none is'}")


@adapters.command("approve")
def approve(
    ctx: typer.Context,
    which: Version,
    by: By = None,
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="What you looked at.")] = "",
    as_json: AsJson = False,
) -> None:
    """Say that a version may become stable; whoever added it cannot."""
    from fairlead.serving.adapters import rollout

    given = settings(ctx)
    with _opened(given) as registry:
        card = registry.find(_versioned(which))
        rollout.approve(registry, card, by=actor(by), note=note)
        approvals = registry.approvals(card)
        ready = rollout.readiness(registry, given.rollout, card)
    if as_json:
        document(SCHEMA, adapter=card_fields(card), approvals=approvals, ready=ready.ready)
    else:
        have, needed = len(ready.approvers), ready.needed
        show(f"{card.label} is approved by {have}; {needed} are needed")


@adapters.command("history")
def history(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Only this one.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="Lines.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Who did what, newest first."""
    with _opened(settings(ctx)) as registry:
        found = registry.history(name, limit=limit)
    if as_json:
        document(SCHEMA, history=found)
    else:
        tell_history(found)


@adapters.command("rm")
def remove(
    ctx: typer.Context,
    which: Version,
    by: By = None,
    why: Why = "",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Delete the content of a version that does not answer; the record of it stays."""
    given = settings(ctx)

    def work(registry: "Registry") -> "AdapterCard":
        card = registry.find(_versioned(which))
        confirm(f"Delete the content of {card.label!r} for good?", yes=yes)
        return registry.remove(card, by=actor(by), why=why)

    _changed(given, work, as_json=as_json)


def _opened(given: "Settings") -> "closing[Registry]":
    from fairlead.serving.adapters import open_registry

    return closing(open_registry(given))


def _changed(
    given: "Settings", work: "Callable[[Registry], AdapterCard]", *, as_json: bool
) -> None:
    with _opened(given) as registry:
        card = work(registry)
    if as_json:
        document(SCHEMA, adapter=card_fields(card))
    else:
        share = f", {card.share:g} % of new conversations" if card.stage == "canary" else ""
        show(f"{card.label} is {card_stage(card)}{share}")


def _check_folder(given: "Settings", path: Path, base: str | None) -> tuple[str, list[str]]:
    from fairlead.serving.adapters.bases import find_base
    from fairlead.serving.adapters.refusals import AdapterRefused
    from fairlead.serving.adapters.rollout import examine_folder

    if base is None:
        raise InputError("a folder is checked against its base", hint="Name it with --base.")
    try:
        examine_folder(path, find_base(base), given.rollout)
    except AdapterRefused as error:
        return str(path), [f"{reason.code}: {reason.message}" for reason in error.reasons]
    return str(path), []


def _check_stored(given: "Settings", what: str | None) -> Iterator[tuple[str, list[str]]]:
    with _opened(given) as registry:
        cards = [registry.find(what)] if what and "@" in what else registry.versions(what)
        if what and not cards:
            raise NotFound(
                f"there is no adapter {what!r}", hint="`fairlead adapters ls` lists them."
            )
        if what is None and (strays := registry.strays()):
            warn(f"{len(strays)} stored contents belong to no version; adding them again uses them")
        for card in cards:
            try:
                registry.store.check(card.digest)
                yield card.label, []
            except FairleadError as error:
                yield card.label, [error.message]


def _versioned(which: str) -> str:
    if "@" not in which:
        raise InputError(f"{which!r} names no version", hint=f"Write {which}@1, for example.")
    return which


adapters.command("score")(scoring.score)
