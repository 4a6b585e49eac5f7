"""What a call may do."""

from typing import get_args

import pytest

from fairlead.guardrails import decide
from fairlead.schema import Effect, ToolSpec


def spec(effect: Effect, name: str = "thing") -> ToolSpec:
    return ToolSpec(name=name, description="Does a thing.", effect=effect)


@pytest.mark.parametrize("effect", ["read", "egress"])
def test_reading_needs_no_permission(effect: Effect) -> None:
    assert decide(spec(effect), allow=()).action == "allow"


@pytest.mark.parametrize("effect", sorted(set(get_args(Effect)) - {"read", "egress"}))
def test_every_other_effect_is_blocked_unless_named(effect: Effect) -> None:
    verdict = decide(spec(effect), allow=("other",))
    assert verdict.action == "block"
    assert "'thing'" in verdict.reason
    assert repr(effect) in verdict.reason
    assert "[policy]" in verdict.reason
    assert decide(spec(effect), allow=("thing",)).action == "allow"


def test_an_unknown_effect_is_blocked() -> None:
    odd = spec("read")
    object.__setattr__(odd, "effect", "teleport")
    assert decide(odd, allow=()).action == "block"


def test_a_name_is_compared_whole() -> None:
    assert decide(spec("send", "mail"), allow=("email", "mail2")).action == "block"
