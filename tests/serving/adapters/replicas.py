"""A model server in memory that treats adapters as vLLM does over HTTP."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

from fairlead.errors import InputError, NotFound, Unavailable


class MemoryReplica:
    """Loads and unloads by name, refuses what vLLM refuses, forgets everything with a restart.

    `log` has every successful change, in order.
    """

    def __init__(self, name: str, *, max_rank: int = 16) -> None:
        self.name = name
        self.max_rank = max_rank
        self.adapters: dict[str, Path] = {}
        self.up = True
        self.hangs = False
        self.log: list[str] = []

    def restart(self) -> None:
        """Adapters that were loaded at run time are gone."""
        self.adapters.clear()

    async def loaded(self) -> list[str]:
        await self._reached()
        return list(self.adapters)

    async def load(self, served_name: str, path: Path) -> None:
        await self._reached()
        if served_name in self.adapters:  # 400
            raise InputError(f"the lora adapter {served_name!r} has already been loaded")
        file = path / "adapter_config.json"
        if not file.is_file():  # 404
            raise NotFound(f"no adapter at {str(path)!r}")
        rank = json.loads(file.read_text())["r"]
        if rank > self.max_rank:
            raise InputError(f"LoRA rank {rank} is greater than max_lora_rank {self.max_rank}")
        self.adapters[served_name] = path
        self.log.append(f"+{served_name}")

    async def unload(self, served_name: str) -> None:
        await self._reached()
        if served_name not in self.adapters:  # 404
            raise NotFound(f"the lora adapter {served_name!r} cannot be found")
        del self.adapters[served_name]
        self.log.append(f"-{served_name}")

    async def _reached(self) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        if not self.up:
            raise Unavailable(f"{self.name!r} cannot be reached")


async def until(condition: Callable[[], bool]) -> None:
    """Returns when it holds; a test that waits in vain fails."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what changes it knows of no event
            await asyncio.sleep(0.005)
