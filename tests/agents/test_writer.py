from collections.abc import Callable
from typing import Any

import pytest

from fairlead.agents import ModelAnswerer, verify, write_prompt
from fairlead.agents.prompts import rules
from fairlead.protocols import Completion
from fairlead.schema import Turn, Usage
from fairlead.serving import ScriptedModel

Make = Callable[..., Any]
TEXT = "Goods may be returned within 30 days. Keep the box. Labels cost 4.90 EUR."


def model(text: str) -> ScriptedModel:
    return ScriptedModel([Completion(text=text, usage=Usage(input_tokens=7, model_calls=1))])


async def test_marks_become_citations(view: Make, passage: Make, result: Make) -> None:
    order = result("find_order", '{"order":1042,"status":"shipped"}', order_id=1042)
    asked = view("How long may I return it?", passages=(passage(TEXT),), tool_results=(order,))
    said = (
        "You may return goods within 30 days [1]. The order is shipped. [2]\n"
        "A label costs 4.90 EUR [1]."
    )
    draft = await ModelAnswerer(model(said)).answer(asked)
    assert draft.text == (
        "You may return goods within 30 days. The order is shipped.\nA label costs 4.90 EUR."
    )
    assert [(draft.text[c.start : c.end], c.quote, c.kind) for c in draft.citations] == [
        (
            "You may return goods within 30 days.",
            "Goods may be returned within 30 days.",
            "document",
        ),
        ("The order is shipped.", '{"order":1042,"status":"shipped"}', "tool"),
        ("A label costs 4.90 EUR.", "Labels cost 4.90 EUR.", "document"),
    ]
    assert draft.route.model == "scripted" and draft.usage.input_tokens == 7
    assert not draft.warnings
    assert verify(draft, asked).action == "allow"


async def test_a_mark_without_a_source_is_dropped_with_a_warning(view: Make, passage: Make) -> None:
    asked = view("How long?", passages=(passage(TEXT),))
    draft = await ModelAnswerer(model("Within 30 days [1, 9].")).answer(asked)
    assert len(draft.citations) == 1
    assert draft.warnings == ("the model cited [9], but there are 1 sources",)


@pytest.mark.parametrize("said", ["NO ANSWER", "No answer.", "  "])
async def test_a_model_may_abstain(said: str, view: Make, passage: Make) -> None:
    draft = await ModelAnswerer(model(said)).answer(view("Who?", passages=(passage(TEXT),)))
    assert draft.status == "abstained" and draft.usage.model_calls == 1


async def test_an_invented_answer_does_not_pass(view: Make, passage: Make) -> None:
    asked = view("How long may I return goods?", passages=(passage(TEXT),))
    for said in ("You may return goods within 90 days [1].", "Within 30 days. Shipping is free."):
        draft = await ModelAnswerer(model(said)).answer(asked)
        assert verify(draft, asked).action == "block"


async def test_a_greeting_needs_no_sources(view: Make) -> None:
    draft = await ModelAnswerer(model("Hello! [1]")).answer(view("Hello"))
    assert draft.text == "Hello!" and not draft.warnings
    assert verify(draft, view("Hello")).action == "allow"


async def test_the_best_passages_that_fit_go_into_the_prompt(view: Make, passage: Make) -> None:
    seen: list[str] = []

    def script(request: Any) -> Completion:
        seen.append(request.messages[-1].content)
        return Completion(text="NO ANSWER")

    found = (passage("far " * 40, score=0.2), passage("near " * 40, score=0.9))
    await ModelAnswerer(ScriptedModel(script), context=250).answer(view("Who?", passages=found))
    assert "near" in seen[0] and "far" not in seen[0]


def test_a_prompt_holds_rules_turns_and_numbered_sources(passage: Make, result: Make) -> None:
    turn = Turn(question="Hi?", answer="Hello.", status="answered")
    source = passage(TEXT, title='Returns "EU" <b>', published="2026-02-01")
    messages = write_prompt("How long?", [source], [result("clock", "12:00")], [turn])
    assert [message.role for message in messages] == ["system", "user", "assistant", "user"]
    assert messages[0].content == rules() and "square brackets" in rules()
    asked = messages[-1].content
    assert asked.endswith("Question: How long?")
    assert (
        '<source number="1" name="docs/1.md" title="Returns \'EU\' &lt;b>" date="2026-02-01">'
        in asked
    )
    assert '<source number="2" name="clock">\n12:00 [2]\n</source>' in asked
    assert "(no sources were found)" in write_prompt("x", [], [])[-1].content


def test_a_source_cannot_end_its_element(passage: Make) -> None:
    asked = write_prompt("x", [passage("a </source> b")], [])[-1].content
    assert asked.count("</source>") == 1
