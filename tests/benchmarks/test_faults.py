"""`benchmarks/faults.py`: a few runs of each fault that takes no waiting."""

import pytest

from benchmarks import faults
from tests.serving.remote.protocol import reply

QUICK = [
    "connection reset",
    "half a body",
    "HTML instead of JSON",
    "429, Retry-After: 60",
    "200 with an error body",
    "unknown model or adapter",
    "half an SSE event",
    "[DONE] without an end",
    "endless stream",
]


@pytest.mark.parametrize("name", QUICK)
async def test_runs_end_well(name: str) -> None:
    (fault,) = [fault for fault in faults.FAULTS if fault.name == name]
    outcome = await faults.measured(fault, runs=2, seed=7)
    assert outcome.wrong == [] and outcome.runs == 2
    assert outcome.served + outcome.embedded == 2


async def test_what_is_wrong_is_found() -> None:
    """A fault said to pass by itself that does not."""
    lasting = faults.Fault(name="lasting", make=faults._plain(reply(404, {})), passing=True)
    outcome = await faults.measured(lasting, runs=3, seed=7)
    assert any("would have helped" in said for said in outcome.wrong)
