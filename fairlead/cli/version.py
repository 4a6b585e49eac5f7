"""`fairlead version`."""

import platform

from fairlead import __version__
from fairlead.cli.options import AsJson
from fairlead.cli.output import document, say


def version(as_json: AsJson = False) -> None:
    """Print the version."""
    if as_json:
        document("fairlead.version/1", version=__version__, python=platform.python_version())
    else:
        say(f"fairlead {__version__} (Python {platform.python_version()})")
