"""`fairlead tools`: what the assistant can do, and one call of it by hand."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fairlead.cli.modules import load_tools
from fairlead.cli.options import DEFAULT, AsJson, Modules, Tenant, settings
from fairlead.cli.output import document, show, table
from fairlead.errors import FairleadError, InputError, NotFound, Refused

if TYPE_CHECKING:
    from fairlead.schema import ToolCall, ToolResult, ToolSpec
    from fairlead.settings import Settings
    from fairlead.tools import Toolbox

tools = typer.Typer(no_args_is_help=True, help="Tools: which there are, and calling one by hand.")

SCHEMA = "fairlead.tools/1"
Name = Annotated[str, typer.Argument(metavar="NAME", help="A tool's name.")]


@tools.command("ls")
def ls(ctx: typer.Context, modules: Modules = None, as_json: AsJson = False) -> None:
    """List the tools, and whether the policy lets them run."""
    from fairlead.guardrails import decide

    given = settings(ctx)
    specs = _toolbox(given, load_tools(modules)).specs()
    if as_json:
        document(SCHEMA, tools=specs)
        return
    rows = [
        (spec.name, spec.effect, decide(spec, allow=given.policy.allow).action, spec.description)
        for spec in specs
    ]
    table(("name", "effect", "policy", "description"), rows)


@tools.command("show")
def show_tool(
    ctx: typer.Context, name: Name, modules: Modules = None, as_json: AsJson = False
) -> None:
    """Show what a tool does, what it takes, and whether it may run."""
    from fairlead.guardrails import decide

    given = settings(ctx)
    spec = _find(_toolbox(given, load_tools(modules)), name)
    if as_json:
        document(SCHEMA, tool=spec)
        return
    verdict = decide(spec, allow=given.policy.allow)
    show(spec.name, "bold")
    show(spec.description, indent=2)
    show("")
    table(("argument", "type", "role", "description"), _parameters(spec))
    show("")
    show(f"effect  {spec.effect}\nsource  {spec.source}")
    show(f"policy  {verdict.action}: {verdict.reason}")


@tools.command("call")
def call(
    ctx: typer.Context,
    name: Name,
    args: Annotated[
        str, typer.Option("--args", metavar="JSON", help="The arguments, as a JSON object.")
    ] = "{}",
    modules: Modules = None,
    tenant: Tenant = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Call a tool as the assistant would: within the policy, its result guarded."""
    import asyncio

    from fairlead.schema import ToolCall

    given, hands = settings(ctx), load_tools(modules)
    wanted = ToolCall(tool=name, arguments=_arguments(args))
    result = asyncio.run(_called(given, hands, wanted, tenant))
    if result.error:
        raise FairleadError(f"tool {name!r} failed: {result.error}")
    if as_json:
        document(SCHEMA, result=result)
    else:
        show(result.text)


async def _called(
    given: "Settings", hands: list[object], wanted: "ToolCall", tenant: str
) -> "ToolResult":
    from fairlead.assistant import tenant_principal
    from fairlead.guardrails import admit_output, decide
    from fairlead.tools import Journal

    principal = tenant_principal(tenant)
    journal = Journal(given.storage.path / "journal.db")
    toolbox = _toolbox(given, hands, journal)
    verdict = decide(_find(toolbox, wanted.tool), allow=given.policy.allow)
    if verdict.action != "allow":
        raise Refused(verdict.reason)
    try:
        toolbox.check(wanted, principal)
        output = await toolbox.call(wanted, principal, seconds=given.budgets.seconds)
    finally:
        journal.close()
    return admit_output(output)


def _toolbox(given: "Settings", hands: list[object], journal: Any = None) -> "Toolbox":
    from fairlead.tools import BUILTINS, Toolbox

    return Toolbox([*BUILTINS, *hands], given, journal)


def _find(toolbox: "Toolbox", name: str) -> "ToolSpec":
    for spec in toolbox.specs():
        if spec.name == name:
            return spec
    known = ", ".join(spec.name for spec in toolbox.specs())
    raise NotFound(f"no tool {name!r}", hint=f"There are: {known}. --tools MODULE adds more.")


def _arguments(text: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InputError(
            f"--args is not JSON: {error}", hint="""Write --args '{"name": "value"}'."""
        ) from error
    if not isinstance(value, dict):
        raise InputError(
            f"--args is a JSON {type(value).__name__}, not an object",
            hint="""Write --args '{"name": "value"}'.""",
        )
    return value


def _parameters(spec: "ToolSpec") -> list[tuple[str, str, str, str]]:
    """Rows of name, type, role and description from the JSON Schema of the arguments."""
    properties = spec.parameters.get("properties")
    required = spec.parameters.get("required")
    rows = []
    for name, schema in (properties if isinstance(properties, dict) else {}).items():
        described = schema if isinstance(schema, dict) else {}
        needed = isinstance(required, list) and name in required
        role = "authority" if name in spec.authority else "payload" if name in spec.payload else ""
        kind = str(described.get("type", "any")) + ("" if needed else "?")
        rows.append((name, kind, role, str(described.get("description", ""))))
    return rows
