"""A tool of your own: one decorated function.

    python examples/own_tool.py

The signature becomes the schema, the docstring tells the planner when to call it, and `effect`
says what calling it does. Without `effect="read"` the strictest is assumed, and it is refused
until `[policy] allow` in the settings names it.
"""

import asyncio
import tempfile
from typing import Literal

from fairlead import Assistant, tool

RATES = {"Germany": (4.90, 0.60), "France": (7.90, 0.90), "Norway": (12.50, 1.80)}
"""Country → price of a parcel and of each kilogram, in euro."""


@tool(effect="read", returns="first_party")
def parcel_price(country: Literal["Germany", "France", "Norway"], kilos: float) -> str:
    """What it costs to send a parcel of some weight to a country.

    Args:
        country: Where the parcel goes.
        kilos: Weight of the parcel in kilograms.
    """
    parcel, kilogram = RATES[country]
    return f"A parcel of {kilos:g} kg to {country} costs {parcel + kilos * kilogram:.2f} EUR."


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with Assistant.open({"storage": {"path": folder}}, tools=[parcel_price]) as assistant:
            answer = await assistant.ask("What does it cost to send a parcel of 5 kg to Norway?")
    print(f"{answer.status}: {answer.text}")
    for citation in answer.citations:
        print(f"  {citation.tool} said {citation.quote!r}")


if __name__ == "__main__":
    asyncio.run(main())
