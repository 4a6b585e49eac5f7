"""`fairlead index`: collections, their versions, and what an operator does to them."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from fairlead.cli.library import tenant_named, with_library
from fairlead.cli.options import DEFAULT, AsJson, Collection, Tenant, Yes, confirm, settings
from fairlead.cli.output import document, fields_of, progress, show, table, warn
from fairlead.errors import NotFound

if TYPE_CHECKING:
    from fairlead.reports import CollectionInfo
    from fairlead.retrieval import Library
    from fairlead.retrieval.copying import Copied
    from fairlead.retrieval.upkeep import Change

index = typer.Typer(no_args_is_help=True, help="Collections: what is stored and searchable.")

SCHEMA = "fairlead.index/1"
CHECK_FAILED = 6


@index.command("ls")
def ls(ctx: typer.Context, tenant: Tenant = DEFAULT, as_json: AsJson = False) -> None:
    """List a tenant's collections."""
    found = with_library(settings(ctx), partial(_collections, tenant))
    if as_json:
        document(SCHEMA, collections=found)
        return
    rows = [
        (each.name, str(each.documents), str(each.chunks), str(each.vectors), each.index_version)
        for each in found
    ]
    columns = ("collection", "documents", "chunks", "vectors", "version")
    table(columns, rows, numbers="documents chunks vectors")


@index.command("show")
def show_collection(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="A collection.")] = DEFAULT,
    tenant: Tenant = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Show one collection."""
    one = with_library(settings(ctx), partial(_collection, tenant, name))
    if as_json:
        document(SCHEMA, collection=one)
    else:
        table(("", ""), [(field, str(value)) for field, value in fields_of(one).items()])


@index.command("versions")
def versions(
    ctx: typer.Context,
    collection: Collection = DEFAULT,
    tenant: Tenant = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """List a collection's states, oldest first."""
    found = with_library(
        settings(ctx),
        lambda library: library.upkeep.versions(tenant=tenant_named(tenant), collection=collection),
    )
    if as_json:
        document(SCHEMA, versions=found)
        return
    rows = [(each.version, each.at, str(each.documents), each.reason) for each in found]
    table(("version", "at", "documents", "reason"), rows, numbers="documents")


@index.command("rollback")
def rollback(
    ctx: typer.Context,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="See `index versions`.")],
    yes: Yes = False,
    collection: Collection = DEFAULT,
    tenant: Tenant = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Make an earlier state the present one, as a new version."""
    confirm(f"Put {collection!r} back to version {version}?", yes=yes)

    async def work(library: "Library") -> "Change":
        return await library.upkeep.rollback(
            version, tenant=tenant_named(tenant), collection=collection
        )

    _changed(ctx, tenant, collection, work, as_json=as_json)


@index.command("expire")
def expire(
    ctx: typer.Context,
    collection: Collection = DEFAULT,
    tenant: Tenant = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Erase what is past its time; old citations then lead to a tombstone."""

    async def work(library: "Library") -> "Change":
        return await library.upkeep.expire(tenant=tenant_named(tenant), collection=collection)

    _changed(ctx, tenant, collection, work, as_json=as_json)


@index.command("delete")
def delete(
    ctx: typer.Context,
    names: Annotated[
        list[str], typer.Argument(metavar="DOCUMENT…", help="Document ids, or sources.")
    ],
    yes: Yes = False,
    collection: Collection = DEFAULT,
    tenant: Tenant = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Erase documents, every version of them; old citations then lead to a tombstone."""
    shown = f"{names[0]!r}" if len(names) == 1 else f"{len(names)} documents"
    confirm(f"Erase {shown} from {collection!r} for good?", yes=yes)

    async def work(library: "Library") -> "Change":
        return await library.upkeep.delete(
            names, tenant=tenant_named(tenant), collection=collection
        )

    _changed(ctx, tenant, collection, work, as_json=as_json)


@index.command("rebuild")
def rebuild(
    ctx: typer.Context,
    chunker: Annotated[
        str | None, typer.Option("--chunker", metavar="NAME", help="How to cut the texts.")
    ] = None,
    collection: Collection = DEFAULT,
    tenant: Tenant = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Cut and embed a collection anew; searches go on meanwhile."""

    async def work(library: "Library") -> "Change":
        with progress() as draw:
            return await library.upkeep.rebuild(
                tenant=tenant_named(tenant), collection=collection, chunker=chunker, progress=draw
            )

    _changed(ctx, tenant, collection, work, as_json=as_json, embedding=True)


@index.command("verify")
def verify(
    ctx: typer.Context,
    collection: Collection = DEFAULT,
    tenant: Tenant = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Check that what is stored agrees with itself; exit status 6 where it does not."""
    found = with_library(
        settings(ctx),
        lambda library: library.check(tenant=tenant_named(tenant), collection=collection),
    )
    if as_json:
        document(SCHEMA, collection=collection, tenant=tenant, ok=found.ok, **fields_of(found))
    else:
        counts = f"{found.documents} documents, {found.chunks} chunks, {found.vectors} vectors"
        show(f"{counts}, version {found.index_version or 'none'}")
        for problem in found.problems:
            show(problem, "red")
        for note in found.notes:
            show(note, "dim")
    if not found.ok:
        raise typer.Exit(CHECK_FAILED)


@index.command("document")
def show_document(
    ctx: typer.Context,
    document_id: Annotated[str, typer.Argument(metavar="ID", help="As citations name it.")],
    version: Annotated[
        str | None, typer.Option("--version", help="Of the document; default: the live one.")
    ] = None,
    collection: Collection = DEFAULT,
    tenant: Tenant = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Show a document as it is stored, or the tombstone of an erased one."""
    found = with_library(
        settings(ctx),
        lambda library: library.document(
            tenant=tenant_named(tenant),
            collection=collection,
            document_id=document_id,
            version=version,
        ),
    )
    if found is None:
        raise NotFound(
            f"collection {collection!r} has no document {document_id!r}"
            + (f" of version {version!r}" if version else ""),
            hint="`fairlead search --json` shows document ids.",
        )
    if as_json:
        document(SCHEMA, document=found)
        return
    fields = {name: value for name, value in fields_of(found).items() if name != "text" and value}
    table(("", ""), [(name, str(value)) for name, value in fields.items()])
    show("")
    show(found.text or f"erased: {found.why}")


@index.command("audit")
def audit(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="Lines.")] = 50,
    collection: Collection = DEFAULT,
    tenant: Tenant = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Who changed what, newest first."""
    found = with_library(
        settings(ctx),
        lambda library: library.upkeep.audit(
            tenant=tenant_named(tenant), collection=collection, limit=limit
        ),
    )
    if as_json:
        document(SCHEMA, audit=found)
        return
    rows = [(each.at, each.actor, each.action, each.target, _said(each.detail)) for each in found]
    table(("at", "actor", "action", "target", "detail"), rows)


@index.command("copy")
def copy(
    ctx: typer.Context,
    to: Annotated[str, typer.Option("--to", metavar="STORE", help="weaviate or embedded.")],
    collection: Collection = DEFAULT,
    tenant: Tenant = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Copy a collection into another store with its versions, and compare both."""

    async def work(library: "Library") -> "Copied":
        with progress() as draw:
            return await library.upkeep.copy(
                to, tenant=tenant_named(tenant), collection=collection, progress=draw
            )

    done = with_library(settings(ctx), work)
    if as_json:
        document(SCHEMA, copied=done)
    else:
        table(("", ""), [(name, str(value)) for name, value in fields_of(done).items()])


def _changed(
    ctx: typer.Context,
    tenant: str,
    collection: str,
    work: "Callable[[Library], Awaitable[Change]]",
    *,
    as_json: bool,
    embedding: bool = False,
) -> None:
    """Changes a collection and shows what became of it."""

    async def both(library: "Library") -> "tuple[Change, CollectionInfo]":
        await _collection(tenant, collection, library)
        return await work(library), await _collection(tenant, collection, library)

    change, after = with_library(settings(ctx), both, embedding=embedding, checked=False)
    if change.lost:
        warn(f"{change.lost} documents of that version were erased since and stay so")
    if as_json:
        document(SCHEMA, collection=after, changed=change.documents, lost=change.lost)
    else:
        count = f"{change.documents} document{'' if change.documents == 1 else 's'}"
        show(f"{count} changed; version {change.index_version}")


async def _collections(tenant: str, library: "Library") -> "tuple[CollectionInfo, ...]":
    return await library.collections(tenant_named(tenant))


async def _collection(tenant: str, name: str, library: "Library") -> "CollectionInfo":
    found = await library.collections(tenant_named(tenant))
    one = next((each for each in found if each.name == name), None)
    if one is None:
        raise NotFound(
            f"tenant {tenant!r} has no collection {name!r}",
            hint="`fairlead index ls` lists them; `fairlead ingest` makes one.",
        )
    return one


def _said(detail: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in detail.items() if value)
