"""`benchmarks/model_client.py`: our side of it works, against its own server."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

SERVER = Path(__file__).parents[2] / "benchmarks" / "model_server.py"


@pytest.mark.parametrize("variant", ["ours", "bare"])
@pytest.mark.parametrize("case", ["4", "stream"])
def test_calls_of_a_variant(
    benchmark: Callable[[str], ModuleType], variant: str, case: str
) -> None:
    module, done = benchmark("model_client"), []

    async def run(call: Callable[[], object]) -> float:
        for _ in range(3):
            done.append(await call())  # type: ignore[misc]  # a coroutine function
        return 1.0

    command = [sys.executable, str(SERVER), "--pieces", str(module.PIECES)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
        try:
            assert asyncio.run(getattr(module, variant)(url, case, run)) == 1.0
        finally:
            server.kill()
    assert len(done) == 3
