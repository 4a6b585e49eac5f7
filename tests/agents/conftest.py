"""What the tests of the agents share: values built in one line, and the real embedder."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from fairlead.decisions import Budget, View
from fairlead.guardrails import admit_hit, admit_output
from fairlead.schema import Hit, Passage, ToolOutput, ToolResult, ToolSpec
from fairlead.serving import LocalEmbedder

MakePassage = Callable[..., Passage]
MakeResult = Callable[..., ToolResult]
MakeView = Callable[..., View]


@pytest.fixture(scope="session")
def embedder() -> LocalEmbedder:
    return LocalEmbedder(threads=1)


@pytest.fixture
def passage() -> MakePassage:
    """A guarded passage; every one has an id of its own."""
    made = 0

    def make(text: str, title: str = "", published: str = "", **fields: Any) -> Passage:
        nonlocal made
        made += 1
        source = fields.pop("source", f"docs/{made}.md")
        start = fields.pop("start", 0)
        hit = Hit(
            passage_id=f"p{made}",
            document_id=source,
            version="1",
            source=source,
            title=title,
            text=text,
            score=fields.pop("score", 1.0),
            rank=made,
            start=start,
            end=start + len(text),
            tenant="t",
            collection="default",
            published_at=datetime.fromisoformat(published) if published else None,
            **fields,
        )
        return admit_hit(hit)

    return make


@pytest.fixture
def result() -> MakeResult:
    """A guarded tool result."""

    def make(tool: str, text: str, error: str = "", **arguments: Any) -> ToolResult:
        return admit_output(
            ToolOutput(call_id="c1", tool=tool, arguments=arguments, text=text, error=error)
        )

    return make


@pytest.fixture
def view() -> MakeView:
    """A view with room for more hops."""

    def make(question: str, **fields: Any) -> View:
        fields.setdefault("budget", Budget(hops=8, tool_calls=8, tokens=1000, seconds=60.0))
        fields.setdefault("collections", ("default",))
        return View(question=question, **fields)

    return make


def spec(name: str, description: str, effect: str = "read", **properties: Any) -> ToolSpec:
    """A tool whose parameters are all required, unless they have a default."""
    required = [key for key, schema in properties.items() if "default" not in schema]
    parameters: dict[str, Any] = {
        "type": "object",
        "properties": properties,
        "required": required,
    }
    return ToolSpec(
        name=name,
        description=description,
        effect=effect,  # type: ignore[arg-type]  # pydantic checks it
        parameters=parameters,
    )


@pytest.fixture
def tools() -> tuple[ToolSpec, ...]:
    """An order desk."""
    number = {"type": "integer", "description": "Number of the order, for example 1042."}
    return (
        spec(
            "find_order", "Find an order by its number: product, country, dates.", order_id=number
        ),
        spec(
            "find_customer_orders",
            "List every order of one customer, newest first.",
            email={"type": "string", "description": "E-mail address of the customer."},
        ),
        spec(
            "product_stock",
            "How many pieces of a product are in stock in Kiel.",
            product={"type": "string", "description": "Name of the product."},
        ),
        spec(
            "refund_order",
            "Pay money back for an order.",
            "send",
            order_id=number,
            amount={"type": "number", "description": "How much to pay back."},
        ),
        spec(
            "calculator",
            "Calculate an arithmetic expression exactly.",
            expression={"type": "string", "description": 'For example "(3 + 4) * 2".'},
        ),
        spec(
            "clock",
            "Tell the current date and time.",
            zone={"type": "string", "default": "UTC", "description": "IANA name."},
        ),
    )
