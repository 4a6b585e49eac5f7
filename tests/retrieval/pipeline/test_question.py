import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.errors import InputError
from fairlead.retrieval.filters import Kind
from fairlead.retrieval.pipeline.question import understood

DECLARED: dict[str, Kind] = {"year": "number", "country": "string", "paid": "boolean"}


def test_a_stated_filter_leaves_the_words() -> None:
    question = understood("return costs country:DE year:2026", DECLARED)
    assert question.text == "return costs"
    assert [(one.field, one.operator) for one in question.filters] == [
        ("country", "eq"),
        ("year", "eq"),
    ]
    assert [one.readings[0].word for one in question.filters] == ["DE", "2026"]


def test_a_value_in_quotes_may_have_spaces() -> None:
    question = understood('costs country:"New Zealand" now', DECLARED)
    assert question.text == "costs now"
    assert question.filters[0].readings[0].word == "New Zealand"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("costs in country:DE.", "DE"),
        ("costs (country:DE)", "DE"),
        ("costs country:DE!", "DE"),
        ('costs country:"Inc."', "Inc."),
    ],
)
def test_what_ends_a_sentence_is_no_part_of_a_value(text: str, value: str) -> None:
    assert understood(text, DECLARED).filters[0].readings[0].word == value


@pytest.mark.parametrize(
    "text", ["costs colour:red", "see http://country:80/", "at 12:30", "x/country:DE", "a:b:c"]
)
def test_what_is_no_declared_field_stays_text(text: str) -> None:
    question = understood(text, DECLARED)
    assert (question.text, question.filters) == (text, ())


def test_nothing_is_read_without_declared_fields() -> None:
    question = understood("country:DE  costs", {})
    assert (question.text, question.filters) == ("country:DE  costs", ())


def test_the_first_of_two_values_counts_and_the_other_stays() -> None:
    question = understood("costs country:DE country:FR", DECLARED)
    assert question.text == "costs country:FR"
    assert len(question.filters) == 1


def test_a_question_of_filters_only_is_searched_as_it_stands() -> None:
    question = understood("country:DE", DECLARED)
    assert question.text == "country:DE"
    assert [one.field for one in question.filters] == ["country"]


@pytest.mark.parametrize(("stated", "kind"), [("year:soon", "number"), ("paid:perhaps", "boolean")])
def test_a_value_of_the_wrong_type_is_refused(stated: str, kind: str) -> None:
    with pytest.raises(InputError, match=f"is a {kind}"):
        understood(f"costs {stated}", DECLARED)


@given(st.text(alphabet="abc :\"'x1?,;/\n", max_size=60))
def test_any_text_is_understood(text: str) -> None:
    question = understood(text, {"a": "any", "b": "string"})
    assert question.text.strip() or not text.strip()
    assert {one.field for one in question.filters} <= {"a", "b"}


def test_mended_words_are_said() -> None:
    question = understood("the delivry costs?", {}).mended({"delivry": "delivery"})
    assert question.text == "the delivery costs?"
    assert "delivery" in question.terms
    assert "delivry" not in question.terms
    assert question.warnings == ("searched for 'delivery' for 'delivry'",)


def test_nothing_to_mend_says_nothing() -> None:
    question = understood("delivery", {})
    assert question.mended({}) is question


def test_names_in_the_question() -> None:
    assert "andrei tarkovsky" in understood("What did Andrei Tarkovsky film?", {}).entities
