"""Steps, sizes and rows of a training that has not begun."""

from hypothesis import given
from hypothesis import strategies as st

from fairlead.serving.training.base_model import BaseModel
from fairlead.serving.training.plan import Plan, make_plan, packed
from fairlead.serving.training.recipe import read_recipe

LENGTHS = st.lists(st.integers(1, 50), max_size=60)


def plan(base: BaseModel, rows: int, **training: object) -> Plan:
    return make_plan(
        read_recipe(None, {"training": training}),
        base,
        "fp32",
        train=[(100, 10)] * 100,
        validation=7,
        rows=rows,
        room=1000,
    )


def test_steps_are_those_of_whole_and_partial_epochs(base: BaseModel) -> None:
    one = plan(base, 100)
    assert (one.steps_per_epoch, one.steps, one.evaluate_every) == (7, 21, 3)
    assert (one.train, one.validation, one.tokens, one.answer_tokens) == (100, 7, 10_000, 1000)
    assert plan(base, 100, epochs=0.5).steps == 4
    assert plan(base, 100, max_steps=3).steps == 3
    assert plan(base, 100, evaluate_every=50).evaluate_every == 50
    assert plan(base, 1).steps_per_epoch == 1


def test_memory_is_less_in_four_bits_and_with_checkpointing(base: BaseModel) -> None:
    full = plan(base, 100).memory
    assert full["base"] == base.parameters * 4
    assert full["adapter"] == 16 * plan(base, 100).parameters
    assert plan(base, 100, quantise="nf4").memory["base"] < full["base"] / 7
    spared = plan(base, 100, gradient_checkpointing=True).memory
    assert spared["activations"] < full["activations"]
    assert plan(base, 100, packing=True).memory["logits"] == 10 * full["logits"]


@given(LENGTHS)
def test_every_sequence_is_in_one_row_that_has_room(lengths: list[int]) -> None:
    rows = packed(lengths, 50)
    assert sorted(number for row in rows for number in row) == list(range(len(lengths)))
    assert all(sum(lengths[number] for number in row) <= 50 for row in rows)
    full = sum(lengths) / 50
    assert len(rows) <= 2 * full + 1  # two rows that are half empty would be one
