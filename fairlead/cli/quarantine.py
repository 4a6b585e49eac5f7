"""`fairlead quarantine`: documents that a gate kept out, to be released or dropped."""

from typing import TYPE_CHECKING, Annotated

import typer

from fairlead.cli.index import SCHEMA
from fairlead.cli.library import tenant_named, with_library
from fairlead.cli.options import DEFAULT, AsJson, Collection, Tenant, Yes, confirm, settings
from fairlead.cli.output import document, fields_of, show, table

if TYPE_CHECKING:
    from fairlead.retrieval import Library
    from fairlead.retrieval.upkeep import Change

quarantine = typer.Typer(no_args_is_help=True, help="Documents that a gate kept out, and why.")
Id = Annotated[str, typer.Argument(metavar="ID", help="As `quarantine ls` shows it.")]


@quarantine.command("ls")
def ls(
    ctx: typer.Context,
    collection: Collection = DEFAULT,
    tenant: Tenant = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """List what is kept out, oldest first."""
    found = with_library(
        settings(ctx),
        lambda library: library.upkeep.quarantine(
            tenant=tenant_named(tenant), collection=collection
        ),
    )
    if as_json:
        rows = [{k: v for k, v in fields_of(each).items() if k != "record"} for each in found]
        document(SCHEMA, quarantine=rows)
        return
    table(
        ("id", "at", "gate", "source", "reason"),
        [(each.id, each.at, each.gate, each.source, each.reason) for each in found],
    )


@quarantine.command("show")
def show_one(
    ctx: typer.Context,
    id_: Id,
    collection: Collection = DEFAULT,
    tenant: Tenant = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Show one with its text."""
    found = with_library(
        settings(ctx),
        lambda library: library.upkeep.quarantined(
            id_, tenant=tenant_named(tenant), collection=collection
        ),
    )
    fields = {name: value for name, value in fields_of(found).items() if name != "record"}
    text = found.record.text if found.record else ""
    if as_json:
        document(SCHEMA, quarantined={**fields, "text": text})
        return
    table(("", ""), [(name, str(value)) for name, value in fields.items() if value])
    show("")
    show(text)


@quarantine.command("release")
def release(
    ctx: typer.Context,
    id_: Id,
    yes: Yes = False,
    collection: Collection = DEFAULT,
    tenant: Tenant = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Let a document in although its gate kept it out; the other gates hold."""
    confirm(f"Let {id_!r} into {collection!r}?", yes=yes, needed=False)

    async def work(library: "Library") -> "Change":
        return await library.upkeep.release(id_, tenant=tenant_named(tenant), collection=collection)

    change = with_library(settings(ctx), work, embedding=True)
    if as_json:
        document(SCHEMA, released=[id_], index_version=change.index_version)
    else:
        show(f"released; version {change.index_version}")


@quarantine.command("drop")
def drop(
    ctx: typer.Context,
    ids: Annotated[list[str], typer.Argument(metavar="ID…", help="As `quarantine ls` shows.")],
    yes: Yes = False,
    collection: Collection = DEFAULT,
    tenant: Tenant = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Delete documents from the quarantine."""
    confirm(f"Delete {len(ids)} from the quarantine?", yes=yes, needed=False)

    async def work(library: "Library") -> int:
        return await library.upkeep.drop(ids, tenant=tenant_named(tenant), collection=collection)

    count = with_library(settings(ctx), work)
    if as_json:
        document(SCHEMA, dropped=ids)
    else:
        show(f"{count} dropped")
