"""The tools that come with Fairlead."""

from datetime import UTC, datetime, timedelta

import pytest

from fairlead.schema import Json, Principal, ToolCall, ToolOutput
from fairlead.tools import BUILTINS, Toolbox


async def called(tool: str, **arguments: Json) -> ToolOutput:
    call = ToolCall(tool=tool, arguments=arguments)
    return await Toolbox(BUILTINS).call(call, Principal(tenant="acme"), seconds=5)


def test_are_reading_first_party_tools() -> None:
    specs = {tool.spec.name: tool.spec for tool in BUILTINS}
    assert set(specs) == {"calculator", "clock"}
    assert {(spec.effect, spec.returns) for spec in specs.values()} == {("read", "first_party")}
    assert specs["calculator"].parameters["required"] == ["expression"]


async def test_calculator_calculates_and_explains_what_it_cannot() -> None:
    good = await called("calculator", expression="15% of 80")
    assert (good.text, good.error, good.returns) == ("12", "", "first_party")
    bad = await called("calculator", expression="9**9**9")
    assert bad.error.startswith("cannot calculate '9**9**9'")


async def test_clock_tells_the_time_in_utc() -> None:
    told = (await called("clock")).text
    assert told.endswith("Z")
    assert abs(datetime.fromisoformat(told) - datetime.now(UTC)) < timedelta(minutes=1)


async def test_clock_tells_the_time_elsewhere() -> None:
    told = datetime.fromisoformat((await called("clock", zone="Asia/Tokyo")).text)
    assert told.utcoffset() == timedelta(hours=9)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "", "a\x00b", "Europe"])
async def test_clock_knows_only_time_zones(zone: str) -> None:
    assert (await called("clock", zone=zone)).error.startswith("no time zone")
