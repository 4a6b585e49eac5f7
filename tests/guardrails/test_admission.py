"""From outside to usable."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.errors import InputError
from fairlead.guardrails import admit_hit, admit_output, admit_question
from fairlead.schema import QUESTION_LIMIT, Hit, Json, Passage, ToolOutput, ToolResult

PROSE = "The warranty covers parts and labour for two years. Keep the receipt. " * 24


def hit(text: str, **changes: object) -> Hit:
    plain = Hit(
        passage_id="p1",
        document_id="d1",
        version="v1",
        source="docs/warranty.md",
        title="Warranty",
        text=text,
        score=0.5,
        rank=1,
        start=100,
        end=100 + len(text),
        tenant="acme",
        collection="default",
        metadata={"country": "FR", "tags": ["a", 1, None]},
        headings=("Returns",),
    )
    return replace(plain, **changes)  # type: ignore[arg-type] # a test changes any field


def output(text: str = "fine", **changes: object) -> ToolOutput:
    plain = ToolOutput(call_id="c1", tool="find", arguments={"id": "<s>"}, text=text)
    return replace(plain, **changes)  # type: ignore[arg-type] # a test changes any field


# --- questions -----------------------------------------------------------------------------------


def test_a_question_is_stripped_and_otherwise_untouched() -> None:
    assert admit_question("  Wie lange? 👩\u200d💻 <s>\n") == "Wie lange? 👩\u200d💻 <s>"
    assert admit_question("x" * QUESTION_LIMIT) == "x" * QUESTION_LIMIT


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        (" \n\t", "empty"),
        ("x" * (QUESTION_LIMIT + 1), "32,001 characters"),
        ("a\x00b", "NUL byte at character 2"),
        ("ab\ud83d", r"character 3 \(U\+D83D\)"),
    ],
)
def test_what_is_no_question_is_refused(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        admit_question(text)
    assert caught.value.hint


# --- passages ------------------------------------------------------------------------------------


def test_a_clean_hit_passes_with_all_it_brought() -> None:
    before = hit(PROSE)
    passage = admit_hit(before)
    assert type(passage) is Passage
    assert vars(passage).items() >= vars(before).items()
    assert passage.label.integrity == "untrusted"
    assert passage.findings == ()


def test_ids_and_place_stay_and_every_text_is_cleaned() -> None:
    before = hit(
        "Hi\u200b <|im_start|>there",
        title="T <s>",
        source="docs/<s>.md",
        headings=("A\u200b", "B"),
        metadata={"k<s>": {"deep": ["x\u00ad", 2]}},
        passage_id="<s>",
        document_id="é<s>",
    )
    passage = admit_hit(before)
    assert (passage.passage_id, passage.document_id, passage.version) == ("<s>", "é<s>", "v1")
    assert (passage.start, passage.end, passage.removed) == (before.start, before.end, (2,))
    assert passage.text == "Hi < im_start >there"
    assert (passage.title, passage.source, passage.headings) == ("T (s)", "docs/(s).md", ("A", "B"))
    assert passage.metadata == {"k(s)": {"deep": ["x", 2]}}
    assert [(f.kind, f.start, f.end, f.detail) for f in passage.findings] == [
        ("hidden_text", 2, 3, "1 hidden: U+200B"),
        ("control_token", 4, 16, "< im_start >"),
        ("control_token", 0, 0, "in title"),
        ("control_token", 0, 0, "in source"),
        ("hidden_text", 0, 0, "in headings[]"),
        ("control_token", 0, 0, "in a key of metadata"),
        ("hidden_text", 0, 0, "in metadata.k(s).deep[]"),
    ]


def test_what_was_admitted_once_is_returned_as_it_is() -> None:
    passage = admit_hit(hit("a\u200b"))
    assert admit_hit(passage) is passage
    result = admit_output(output("a\u200b"))
    assert admit_output(result) is result


def test_a_hit_without_metadata_is_as_clean_as_another() -> None:
    assert admit_hit(hit("a", metadata={})).findings == ()
    assert admit_hit(hit("a", metadata={"n": {"m": "<s>"}})).metadata == {"n": {"m": "(s)"}}


def test_a_cut_passage_says_so() -> None:
    kinds = [f.kind for f in admit_hit(hit("abc\n[cut: 3 of 9 characters]")).findings]
    assert kinds == ["truncated"]


@given(
    st.lists(
        st.sampled_from(["a", "b ", "é", "\u200b", "\U000e0041", "<|x|>", "<s>", "[BOS]", "\ufeff"])
    ).map("".join),
    st.data(),
)
def test_any_span_leads_back_to_the_stored_text(stored: str, data: st.DataObject) -> None:
    passage = admit_hit(hit(stored))
    if not passage.text:
        return
    start = data.draw(st.integers(0, len(passage.text) - 1))
    end = data.draw(st.integers(start + 1, len(passage.text)))
    low, high = passage.stored_span(start, end)
    kept = [i for i in range(low - 100, high - 100) if i not in passage.removed]
    assert kept[0] == low - 100
    assert kept[-1] == high - 101
    assert len(kept) == end - start
    same = [stored[i] == passage.text[start + n] for n, i in enumerate(kept)]
    changed = {passage.text[start + n] for n, equal in enumerate(same) if not equal}
    assert changed <= set(" ()")


# --- tool results --------------------------------------------------------------------------------


def test_an_output_keeps_its_call_and_is_labelled() -> None:
    before = output("fine", data={"a": 1})
    result = admit_output(before)
    assert type(result) is ToolResult
    assert vars(result).items() >= vars(before).items()
    assert result.label.integrity == "untrusted"
    assert admit_output(output(returns="first_party")).label.integrity == "first_party"


def test_text_error_and_data_are_cleaned_but_not_the_arguments() -> None:
    result = admit_output(
        output("a\u200b", error="no <s>", data={"x": ["<|im_end|>", 1.5, True, None]})
    )
    assert (result.text, result.error) == ("a", "no (s)")
    assert result.data == {"x": ["< im_end >", 1.5, True, None]}
    assert result.arguments == {"id": "<s>"}
    assert [f.detail for f in result.findings] == ["1 hidden: U+200B", "in error", "in data.x[]"]


def test_data_that_is_the_text_is_looked_through_once() -> None:
    result = admit_output(output("a\u200b", data="a\u200b"))
    assert result.data == "a"
    assert len(result.findings) == 1
    assert admit_output(output("other", data="b\u200b")).data == "b"


def test_a_key_made_equal_by_cleaning_takes_nobodys_place() -> None:
    data: Json = {"amount\u200b": 1, "amount": 100, "to\u200b": "x", "to\u00ad": "y"}
    assert admit_output(output(data=data)).data == {"amount": 100, "to": "x"}


def test_data_too_deep_is_cut_off() -> None:
    data: Json = "bottom"
    for _ in range(100):
        data = [data]
    result = admit_output(output(data=data))
    assert "bottom" not in str(result.data)
    assert "more than 64 levels" in str(result.data)
    assert [f.kind for f in result.findings] == ["truncated"]


@pytest.mark.parametrize("question", [None, 7, b"bytes"])
def test_a_question_is_text(question: object) -> None:
    with pytest.raises(InputError, match="not text"):
        admit_question(question)  # type: ignore[arg-type]  # what a caller may pass by mistake
