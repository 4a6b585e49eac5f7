"""The command line, `fairlead`. A command imports what it needs when it runs, not before."""

import sys

__all__ = ["main"]

INTERRUPTED = 130


def main() -> int:
    """Runs the command line on `sys.argv` and returns the exit status."""
    try:
        from fairlead.cli.app import app

        app(sys.argv[1:], prog_name="fairlead")
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit as leave:
        return leave.code if isinstance(leave.code, int) else 0
    return 0
