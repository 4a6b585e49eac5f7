from collections.abc import Callable
from typing import Any

import pytest

from fairlead.agents import EmbeddedPlanner
from fairlead.agents.choices import requests
from fairlead.decisions import AnswerNow, Ask, Budget, Call, Retrieve, Stop
from fairlead.protocols import Embedder
from fairlead.schema import Hop, ToolCall, ToolSpec, Turn

Make = Callable[..., Any]
SEARCHED = Hop(index=1, kind="retrieve", reason="")


@pytest.fixture
def planner(embedder: Embedder) -> EmbeddedPlanner:
    return EmbeddedPlanner(embedder)


async def test_a_greeting_is_answered_at_once(planner: EmbeddedPlanner, view: Make) -> None:
    decision = await planner.plan(view("Hello there!"))
    assert isinstance(decision, AnswerNow) and "greeting" in decision.reason


async def test_a_question_about_the_documents_is_searched_then_answered(
    planner: EmbeddedPlanner, view: Make, passage: Make, tools: tuple[ToolSpec, ...]
) -> None:
    question = "How long may customers return goods?"
    first = await planner.plan(view(question, tools=tools))
    assert isinstance(first, Retrieve) and first.queries == (question,)
    found = (passage("Customers may return goods within 30 days of delivery."),)
    second = await planner.plan(view(question, tools=tools, passages=found, hops=(SEARCHED,)))
    assert isinstance(second, AnswerNow) and "confidence" in second.reason


async def test_little_found_means_one_wider_search_then_the_answer(
    planner: EmbeddedPlanner, view: Make, passage: Make
) -> None:
    found = (passage("Cards and invoices are accepted everywhere. Invoices come monthly."),)
    question = "Can I pay with Bitcoin?"
    wider = await planner.plan(view(question, passages=found, hops=(SEARCHED,)))
    assert isinstance(wider, Retrieve) and "widened" in wider.reason
    assert wider.queries != (question,) and "invoices" in wider.queries[0]
    last = await planner.plan(view(question, passages=found, hops=(SEARCHED, SEARCHED)))
    assert isinstance(last, AnswerNow)


@pytest.mark.parametrize(
    ("question", "tool", "arguments"),
    [
        ("When was order 1041 delivered?", "find_order", {"order_id": 1041}),
        (
            "Which orders has ann@mail.example placed?",
            "find_customer_orders",
            {"email": "ann@mail.example"},
        ),
        ("Is the Kestrel 2 in stock?", "product_stock", {"product": "Kestrel 2"}),
        ("What is 15% of 80?", "calculator", {"expression": "15% of 80"}),
        ("What time is it in Tokyo?", "clock", {"zone": "Asia/Tokyo"}),
        ("What is the date today?", "clock", {}),
        ("Refund 20 EUR for order 1042", "refund_order", {"order_id": 1042, "amount": 20.0}),
        (
            "Please refund order 1042 with 20 EUR.",
            "refund_order",
            {"order_id": 1042, "amount": 20.0},
        ),
    ],
)
async def test_a_tool_is_called_with_arguments_from_the_question(
    question: str,
    tool: str,
    arguments: dict[str, object],
    planner: EmbeddedPlanner,
    view: Make,
    tools: tuple[ToolSpec, ...],
) -> None:
    decision = await planner.plan(view(question, tools=tools))
    assert isinstance(decision, Call)
    assert [(call.tool, call.arguments) for call in decision.calls] == [(tool, arguments)]
    assert tool in decision.reason


@pytest.mark.parametrize(
    "question",
    [
        "How do I refund order 1042?",
        "May I get 20 EUR back for order 1042?",
        "What happens if you refund 20 EUR for order 1042?",
        "Don't refund 20 EUR for order 1042",
        "Refund 20 EUR for order 1042?",
    ],
)
async def test_an_effect_needs_a_request_for_exactly_that(
    question: str, planner: EmbeddedPlanner, view: Make, tools: tuple[ToolSpec, ...]
) -> None:
    decision = await planner.plan(view(question, tools=tools))
    called = decision.calls if isinstance(decision, Call) else ()
    assert "refund_order" not in [call.tool for call in called]


def test_a_polite_request_is_one(tools: tuple[ToolSpec, ...]) -> None:
    refund = next(spec for spec in tools if spec.name == "refund_order")
    assert requests("Could you please refund order 1042?", refund)
    assert requests("Pay back order 1042, now", refund), "the verb of its description counts"
    assert not requests("", refund) and not requests("Refund", refund)


async def test_documents_come_first_where_a_tool_only_might_fit(
    planner: EmbeddedPlanner, view: Make, tools: tuple[ToolSpec, ...]
) -> None:
    for question in (
        "How long must a foot be for EU size 42?",
        "How many orders were charged twice on 9 February 2026?",
        "How do I cancel an order?",
        "When is the shop in Kiel open?",
    ):
        assert isinstance(await planner.plan(view(question, tools=tools)), Retrieve), question


async def test_what_a_tool_said_narrows_the_search(
    planner: EmbeddedPlanner, view: Make, result: Make, tools: tuple[ToolSpec, ...]
) -> None:
    question = "How long may I return order 1042?"
    order = result("find_order", '{"order":1042,"country":"Germany"}', order_id=1042)
    first = await planner.plan(view(question, tools=tools))
    assert isinstance(first, Call)
    second = await planner.plan(view(question, tools=tools, tool_results=(order,)))
    assert isinstance(second, Retrieve)
    assert second.queries == ("How long may I return order Germany", "How long may I return order?")
    assert "Germany" in second.reason


async def test_a_result_that_answers_is_enough(
    planner: EmbeddedPlanner, view: Make, result: Make, tools: tuple[ToolSpec, ...]
) -> None:
    order = result("find_order", '{"order":1042,"status":"shipped"}', order_id=1042)
    seen = view("What is the status of order 1042?", tools=tools, tool_results=(order,))
    decision = await planner.plan(seen)
    assert isinstance(decision, AnswerNow) and "tool" in decision.reason


async def test_a_call_that_failed_is_not_repeated_and_ends_the_matter(
    planner: EmbeddedPlanner, view: Make, result: Make, tools: tuple[ToolSpec, ...]
) -> None:
    failed = result("find_order", "", error="no order 9999", order_id=9999)
    seen = view("Where is order 9999?", tools=tools, tool_results=(failed,))
    assert isinstance(await planner.plan(seen), AnswerNow)


async def test_several_questions_are_called_and_searched_each(
    planner: EmbeddedPlanner, view: Make, result: Make, tools: tuple[ToolSpec, ...]
) -> None:
    question = "What is the status of order 1042, and how long does delivery to Norway take?"
    first = await planner.plan(view(question, tools=tools))
    assert isinstance(first, Call) and [call.tool for call in first.calls] == ["find_order"]
    order = result("find_order", '{"order":1042,"country":"Spain","status":"sent"}', order_id=1042)
    second = await planner.plan(view(question, tools=tools, tool_results=(order,)))
    assert isinstance(second, Retrieve)
    assert second.queries == ("how long does delivery to Norway take?",)


async def test_a_missing_argument_is_asked_for(
    planner: EmbeddedPlanner, view: Make, tools: tuple[ToolSpec, ...]
) -> None:
    decision = await planner.plan(view("Where is my order?", tools=tools))
    assert isinstance(decision, Ask)
    assert "number of the order" in decision.question and "order_id" in decision.question
    answered = Turn(question="Where is my order?", answer=decision.question, status="asking")
    call = await planner.plan(view("1042", tools=tools, history=(answered,)))
    assert isinstance(call, Call) and call.calls[0].arguments == {"order_id": 1042}
    half = await planner.plan(view("Refund order 1042", tools=tools))
    assert isinstance(half, Ask) and "amount" in half.question and "order_id" not in half.question


async def test_a_pronoun_means_the_record_looked_up_before(
    planner: EmbeddedPlanner, view: Make, tools: tuple[ToolSpec, ...]
) -> None:
    before = Turn(
        question="When was order 1041 delivered?",
        answer="order: 1041",
        status="answered",
        tools=(ToolCall(tool="find_order", arguments={"order_id": 1041}),),
    )
    again = await planner.plan(view("And what did it cost?", tools=tools, history=(before,)))
    assert isinstance(again, Call) and again.calls[0].arguments == {"order_id": 1041}
    elsewhere = await planner.plan(view("and in France?", tools=tools, history=(before,)))
    assert isinstance(elsewhere, Retrieve), "an ellipsis asks about another case"


async def test_a_follow_up_searches_with_its_topic(planner: EmbeddedPlanner, view: Make) -> None:
    before = Turn(question="How long may I return goods in Germany?", answer="", status="answered")
    decision = await planner.plan(view("and in France?", history=(before,)))
    assert isinstance(decision, Retrieve)
    assert decision.queries == ("How long may I return goods in Germany? and in France?",)


async def test_a_guess_is_tried_after_the_documents_failed(
    planner: EmbeddedPlanner, view: Make, passage: Make, tools: tuple[ToolSpec, ...]
) -> None:
    question = "Is there stock of the Tarn?"
    found = (passage("Cards and invoices are accepted everywhere. Invoices come monthly."),)
    assert isinstance(await planner.plan(view(question, tools=tools)), Retrieve)
    seen = view(question, tools=tools, passages=found, hops=(SEARCHED,))
    tried = await planner.plan(seen)
    assert isinstance(tried, Call) and tried.calls[0].arguments == {"product": "Tarn"}
    assert await planner.plan(seen) == tried, "the same view gives the same decision"


async def test_budgets_are_kept(
    planner: EmbeddedPlanner, view: Make, tools: tuple[ToolSpec, ...]
) -> None:
    last = Budget(hops=1, tool_calls=5, tokens=1, seconds=1.0)
    assert isinstance(await planner.plan(view("Who pays?", budget=last)), AnswerNow)
    broke = Budget(hops=5, tool_calls=0, tokens=1, seconds=1.0)
    decision = await planner.plan(view("Where is order 1042?", tools=tools, budget=broke))
    assert not isinstance(decision, Call)


async def test_without_documents_or_a_tool_it_stops_and_says_so(
    planner: EmbeddedPlanner, view: Make
) -> None:
    decision = await planner.plan(view("Who pays the bill?", collections=()))
    assert isinstance(decision, Stop) and "no documents" in decision.why


async def test_a_draft_that_was_sent_back_ends_in_an_answer(
    planner: EmbeddedPlanner, view: Make, passage: Make
) -> None:
    found = (passage("Customers may return goods within 30 days of delivery."),)
    question = "How long may customers return goods?"
    seen = view(question, passages=found, hops=(SEARCHED, SEARCHED), note="bad quote")
    decision = await planner.plan(seen)
    assert isinstance(decision, AnswerNow) and "bad quote" in decision.reason


async def test_it_plans_without_an_embedder(view: Make, tools: tuple[ToolSpec, ...]) -> None:
    planner = EmbeddedPlanner()
    call = await planner.plan(view("Find order 1042", tools=tools))
    assert isinstance(call, Call) and call.calls[0].tool == "find_order"
    assert isinstance(await planner.plan(view("How long is the warranty?", tools=tools)), Retrieve)


async def test_a_hostile_question_takes_no_time(planner: EmbeddedPlanner, view: Make) -> None:
    for question in ("(" * 32_000, "1(" * 16_000, "what is it and what " * 1_600, " " * 32_000):
        assert (await planner.plan(view(question))).kind in ("retrieve", "answer")
