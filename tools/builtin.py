"""Tools that come with Fairlead. Their output is their own: no text from elsewhere is in it."""

from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fairlead.errors import InputError
from fairlead.tools import arithmetic
from fairlead.tools.declaration import Tool, tool


@tool(effect="read", returns="first_party", seconds=5)
async def calculator(expression: str) -> str:
    """Calculate an arithmetic expression exactly.

    Knows + - * / // ^ and **, parentheses, percentages ("15% of 80", "80 + 5%"), sqrt, abs, round,
    min and max.

    Args:
        expression: For example "(1,299 - 15%) * 3".
    """
    return arithmetic.calculate(expression)


@tool(effect="read", returns="first_party", seconds=5)
async def clock(zone: str = "UTC") -> str:
    """Tell the current date and time.

    Args:
        zone: IANA name of the time zone, for example "Europe/Paris".
    """
    try:
        here = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InputError(
            f"no time zone {zone!r}", hint="Use an IANA name such as Europe/Paris, or UTC."
        ) from error
    text = datetime.now(here).isoformat(timespec="seconds")
    return f"{text[:-6]}Z" if text.endswith("+00:00") and zone == "UTC" else text


BUILTINS: Final[tuple[Tool[..., Any], ...]] = (calculator, clock)
