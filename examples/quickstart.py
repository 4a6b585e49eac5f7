"""A folder of documents, one question, a typed answer with citations.

    python examples/quickstart.py

Everything is kept in `.fairlead` in the current folder; a second run ingests only what changed.
"""

import asyncio
from pathlib import Path

from fairlead import Assistant

DOCUMENTS = Path(__file__).parent / "support_desk" / "documents"


async def main() -> None:
    async with Assistant.open() as assistant:
        await assistant.ingest([DOCUMENTS], tenant="demo")
        answer = await assistant.ask("Can I exchange a gift card for cash?", tenant="demo")
        print(f"{answer.status}: {answer.text}")
        for citation in answer.citations:
            print(f"  {citation.source}: {citation.quote!r}")


if __name__ == "__main__":
    asyncio.run(main())
