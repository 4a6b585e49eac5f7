"""The command tree. Everything a command needs beyond Typer is imported when it runs."""

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from fairlead.cli import (
    adapters,
    ask,
    chat,
    config,
    doctor,
    index,
    init,
    knowledge,
    models,
    quarantine,
    tool,
    traces,
    version,
)
from fairlead.cli.failure import outcome
from fairlead.cli.options import Common
from fairlead.cli.output import prepare

SECTIONS = {
    "Ask": ("ask", "chat", "search"),
    "Feed": ("ingest", "index", "quarantine"),
    "Serve": ("adapters",),
    "Look inside": ("trace", "tools"),
    "Set up": ("init", "config", "models", "doctor", "version"),
}
"""The commands as the help page groups them."""


class Root(TyperGroup):
    """Ends every command with the exit status and the error message that belong to it."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Writes the commands in sections."""
        for section, names in SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl(
                    [(name, self.commands[name].get_short_help_str(64)) for name in names]
                )

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        prepare()
        arguments = list(sys.argv[1:] if args is None else args)
        run = super().main

        def command() -> object:
            name = prog_name or "fairlead"
            return run(arguments, name, complete_var, False, windows_expand_args, **extra)

        status = outcome(arguments, command)
        if not standalone_mode:
            return status
        sys.exit(status)


app = typer.Typer(
    name="fairlead",
    cls=Root,
    no_args_is_help=True,
    rich_markup_mode=None,  # Rich's help pages take 0.2 s to import
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def root(
    ctx: typer.Context,
    config: Annotated[
        str | None,
        typer.Option(
            "--config", metavar="FILE", help="Settings file; default: fairlead.toml, upwards."
        ),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Assistants whose every hop is planned, guarded, bounded and traced."""
    ctx.obj = Common(config=config, debug=debug)


app.command("ask")(ask.ask)
app.command("chat")(chat.chat)
app.command("ingest")(knowledge.ingest)
app.command("search")(knowledge.search)
app.add_typer(index.index, name="index")
app.add_typer(quarantine.quarantine, name="quarantine")
app.add_typer(adapters.adapters, name="adapters")
app.add_typer(tool.tools, name="tools")
app.add_typer(traces.trace, name="trace")
app.command("init")(init.init)
app.add_typer(config.config, name="config")
app.add_typer(models.models, name="models")
app.command("doctor")(doctor.doctor)
app.command("version")(version.version)
