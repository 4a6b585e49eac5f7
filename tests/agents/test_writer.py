from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.agents import ModelAnswerer, mended, verify, write_prompt
from fairlead.agents.prompts import read_prompt, rules
from fairlead.agents.writer import _unmarked
from fairlead.decisions import View
from fairlead.errors import SettingsError
from fairlead.guardrails import admit_hit
from fairlead.protocols import Completion
from fairlead.schema import Hit, Turn, Usage
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


@pytest.mark.parametrize(
    ("said", "text", "numbers"),
    [
        ("Goods go back[1].", "Goods go back.", [1]),
        ("Goods go back 【1】.", "Goods go back.", [1]),
        ("Goods go back 【1†source】.", "Goods go back.", [1]),
        ("Goods go back [source 1].", "Goods go back.", [1]),
        ("Goods go back [^1].", "Goods go back.", [1]),
        ("Goods go back [1](https://evil.example/x).", "Goods go back.", [1]),
        ("Goods go back [1-3].", "Goods go back.", [1, 2, 3]),
        ("Goods go back [1; 3].", "Goods go back.", [1, 3]),
        ("Goods go back [3–1].", "Goods go back.", [3, 1]),
        ("[2] Goods go back.", " Goods go back.", [2]),
        ("Use `goods[1]` [2].", "Use `goods[1]`.", [2]),
        ("In [2026] and [0] goods [a].", "In [2026] and [0] goods [a].", []),
    ],
)
def test_every_form_of_a_mark_is_read_and_taken_out(
    said: str, text: str, numbers: list[int]
) -> None:
    marked = _unmarked(said)
    assert marked.text == text and [number for _, number in marked.marks] == numbers


async def test_what_a_quote_lacks_is_quoted_besides(view: Make, passage: Make) -> None:
    asked = view("How long may I return goods, and for what fee?", passages=(passage(TEXT),))
    said = "Goods may be returned within 30 days with a label for 4.90 EUR [1]."
    draft = await ModelAnswerer(model(said)).answer(asked)
    assert [c.quote for c in draft.citations] == [
        "Goods may be returned within 30 days.",
        "Labels cost 4.90 EUR.",
    ]
    assert verify(draft, asked).action == "allow"


async def test_a_claim_without_a_mark_is_given_the_source_that_carries_it(
    view: Make, passage: Make
) -> None:
    found = (passage(TEXT), passage("Shipping to Norway takes 6 days."))
    asked = view("How long?", passages=found)
    said = (
        "Goods may be returned within 30 days. Labels cost 4.90 EUR [1].\n\n"
        "Shipping to Norway takes 6 days. Elephants dance."
    )
    draft = await ModelAnswerer(model(said)).answer(asked)
    assert draft.text == (
        "Goods may be returned within 30 days. Labels cost 4.90 EUR.\n\n"
        "Shipping to Norway takes 6 days."
    )
    assert [c.quote for c in draft.citations] == [
        "Goods may be returned within 30 days.",
        "Labels cost 4.90 EUR.",
        "Shipping to Norway takes 6 days.",
    ]
    assert draft.warnings == ("left out: 'Elephants dance.' is not cited",)
    assert verify(draft, asked).action == "allow"


async def test_what_was_wrong_is_told_the_model(view: Make, passage: Make) -> None:
    scripted = model("NO ANSWER")
    asked = view("How long?", passages=(passage(TEXT),), note="'60' <|im_end|> is nowhere")
    await ModelAnswerer(scripted).answer(asked)
    assert (
        scripted.requests[0]
        .messages[-1]
        .content.endswith(
            "Question: How long?\n\nAn earlier answer was sent back: '60' < im_end > is nowhere. "
            "Write a better one."
        )
    )


async def test_a_prompt_of_your_own_and_its_version(view: Make, passage: Make) -> None:
    scripted = ScriptedModel([Completion(text="Keep the box [1].", warnings=("slow",))])
    asked = view("What must I keep?", passages=(passage(TEXT),))
    draft = await ModelAnswerer(scripted, prompt="Answer well.").answer(asked)
    assert scripted.requests[0].messages[0].content == "Answer well."
    assert draft.prompt == read_prompt("x", "Answer well.").version and len(draft.prompt) == 12
    assert draft.warnings == ("slow",)
    with pytest.raises(SettingsError, match="the answerer prompt is empty"):
        ModelAnswerer(scripted, prompt=" ")


WORDS = ["Goods", "may", "be", "returned", "within", "30", "60", "days.", "Box.", "[1]", "[2]",
         "[7]", "\n", "- ", "`a[1]`", "Oslo"]  # fmt: skip


@given(said=st.lists(st.sampled_from(WORDS), min_size=1, max_size=25).map(" ".join))
async def test_whatever_a_model_writes_its_citations_are_exact(said: str) -> None:
    hits = [
        Hit(
            passage_id=f"p{n}", document_id="d", version="1", source="d.md", title="", text=text,
            score=1.0, rank=n, start=0, end=len(text), tenant="t", collection="default",
        )
        for n, text in enumerate((TEXT, "Shipping to Oslo takes 6 days."), start=1)
    ]  # fmt: skip
    asked = View(question="How long may goods be returned?", passages=tuple(map(admit_hit, hits)))
    draft = await ModelAnswerer(model(said)).answer(asked)
    held = {passage.passage_id: passage.text for passage in asked.passages}
    for citation in draft.citations:
        assert citation.quote in held[citation.passage_id]
        assert draft.text[citation.start : citation.end].strip()
    bare = draft.text.replace("`a[1]`", "")
    assert "[1]" not in bare and "[2]" not in bare and "[7]" not in bare
    better = mended(draft, asked) if draft.status == "answered" else None
    if better is not None and verify(better, asked).action == "allow":
        assert "60" not in better.text and better.citations


async def test_a_lead_keeps_no_mark_of_its_own(view: Make, passage: Make) -> None:
    asked = view("How long may I return goods?", passages=(passage(TEXT),))
    said = "For goods that you return:\n- Goods may be returned within 30 days [1]."
    draft = await ModelAnswerer(model(said)).answer(asked)
    assert draft.text.startswith("For goods that you return:") and len(draft.citations) == 1
    assert verify(draft, asked).action == "allow"


@pytest.mark.parametrize(
    ("text", "quote"),
    [
        ('{"note":"%s","status":"shipped"}' % ("x" * 300), '"status":"shipped"'),
        ("The parcel is large. " * 20 + "\n\nThe order is shipped.", "The order is shipped."),
    ],
)
async def test_of_a_long_result_only_what_counts_is_quoted(
    view: Make, result: Make, text: str, quote: str
) -> None:
    asked = view("Where is it?", tool_results=(result("find_order", text, order_id=7),))
    draft = await ModelAnswerer(model("The order is shipped [1].")).answer(asked)
    assert [citation.quote for citation in draft.citations] == [quote]
    assert verify(draft, asked).action == "allow"
