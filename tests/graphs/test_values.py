"""Values come back from a checkpoint as they were, of the very types they had."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.decisions import Call
from fairlead.graphs.values import Values
from fairlead.schema import ToolCall, ToolOutput, Turn

SERDE = Values()
TURN = Turn(question="Why?", answer="So.", status="answered")
PLAIN = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=9)
JSON = st.recursive(
    PLAIN | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
CALLS = st.builds(
    ToolCall,
    tool=st.just("find_order"),
    arguments=st.dictionaries(st.text(max_size=5), JSON, max_size=3),
    call_id=st.text(max_size=5),
)
DECISIONS = st.builds(Call, calls=st.lists(CALLS, min_size=1, max_size=3).map(tuple))
OUTPUTS = st.builds(
    ToolOutput, call_id=st.just("c"), tool=st.just("t"), arguments=st.just({}), data=JSON
)


def again(value: Any) -> Any:
    return SERDE.loads_typed(SERDE.dumps_typed(value))


@given(CALLS | DECISIONS | OUTPUTS | st.lists(CALLS, min_size=1, max_size=3).map(tuple))
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    back = again(value)
    assert type(back) is type(value) and back == value


@pytest.mark.parametrize(
    ("value", "tag", "back"),
    [
        (TURN, "fairlead/Turn", TURN),
        ((TURN, TURN), "fairlead/Turn[]", (TURN, TURN)),
        ((), "msgpack", []),
        ((TURN, "x"), "msgpack", [TURN, "x"]),
        ([TURN], "msgpack", [TURN]),
    ],
)
def test_own_values_and_tuples_of_one_type_go_the_short_way(
    value: Any, tag: str, back: Any
) -> None:
    told, data = SERDE.dumps_typed(value)
    assert told == tag
    assert SERDE.loads_typed((told, data)) == back


def test_what_an_older_version_wrote_is_still_read() -> None:
    """Turns of a thread were msgpack, which gives a list."""
    tag, data = super(Values, SERDE).dumps_typed((TURN,))
    assert tag == "msgpack" and tuple(SERDE.loads_typed((tag, data))) == (TURN,)
