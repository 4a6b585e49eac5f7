"""A LangChain chat model writes the answer; planning, guard, verification and trace stay.

    python examples/langchain_model.py

The model here is LangChain's own fake, so that the example runs anywhere. Put any chat model in its
place, for example `ChatOpenAI(model=…)` from `langchain_openai`: it gets numbered sources and marks
each sentence with the numbers that carry it; a sentence that its source does not bear out is sent
back.
"""

import asyncio
import tempfile

from langchain_core.language_models import FakeListChatModel

from fairlead import Assistant, Document

NOTICE = Document(
    id="gift-cards",
    title="Gift cards",
    text="Gift cards are valid for three years. A gift card cannot be exchanged for cash.",
)


async def main() -> None:
    model = FakeListChatModel(responses=["Your gift card is valid for three years [1]."])
    with tempfile.TemporaryDirectory() as folder:
        async with Assistant.open({"storage": {"path": folder}}, model=model) as assistant:
            await assistant.ingest([NOTICE], tenant="demo")
            answer = await assistant.ask("How long are gift cards valid?", tenant="demo")
    print(f"{answer.status} by {answer.route.model}: {answer.text}")
    for citation in answer.citations:
        print(f"  {citation.source}: {citation.quote!r}")


if __name__ == "__main__":
    asyncio.run(main())
