"""One vLLM server's adapters: which are loaded, loading, forgetting.

vLLM needs `VLLM_ALLOW_RUNTIME_LORA_UPDATING` for it, which only a server whose control paths nobody
else reaches should have: `fairlead models serve` guards them with a key of their own.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Final

import orjson

from fairlead.errors import SettingsError
from fairlead.serving.remote.wire import Wire
from fairlead.serving.replies import Passing, reason_of, refusal

LOADING: Final = 60.0
"""Seconds for an adapter to be loaded."""
ASKING: Final = 5.0


class ServedReplica:
    """A `Replica` behind HTTP. `control_key` opens the control paths; without, the api key does."""

    def __init__(self, url: str, *, api_key: str = "", control_key: str = "") -> None:
        self._wire = Wire(url, api_key=api_key)
        self._control = Wire(url, api_key=control_key or api_key)
        self._key = control_key or api_key

    @property
    def name(self) -> str:
        return self._wire.url

    async def close(self) -> None:
        await self._wire.close()
        await self._control.close()

    async def loaded(self) -> Collection[str]:
        status, data = await self._wire.get("/models", seconds=ASKING)
        if status != 200:
            raise refusal(f"{self.name}/models", status, data)
        try:
            return {str(model["id"]) for model in orjson.loads(data)["data"] if model.get("parent")}
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise SettingsError(
                f"{self.name}/models did not list models",
                hint="Check the model's url, which mostly ends with /v1.",
            ) from error

    async def load(self, served_name: str, path: Path) -> None:
        body = {"lora_name": served_name, "lora_path": str(path)}
        status, data = await self._asked("/load_lora_adapter", body, LOADING)
        if status == 200:
            return
        if status != 400 or served_name not in await self.loaded():  # it is there already
            raise self._refused("load", served_name, status, data)

    async def unload(self, served_name: str) -> None:
        body = {"lora_name": served_name}
        status, data = await self._asked("/unload_lora_adapter", body, ASKING)
        if status not in (200, 404):  # 404: it is not loaded, which is what was wanted
            raise self._refused("unload", served_name, status, data)

    async def _asked(self, path: str, body: dict[str, str], seconds: float) -> tuple[int, bytes]:
        return await self._control.ask("POST", path, orjson.dumps(body), seconds=seconds)

    def _refused(self, what: str, served_name: str, status: int, data: bytes) -> Exception:
        if status in (401, 403) or status >= 500:
            return refusal(f"{self.name} ({what})", status, data, key=self._key)
        try:
            said = reason_of(orjson.loads(data))
        except orjson.JSONDecodeError:
            said = ""
        if status == 404 and not said:
            return SettingsError(
                f"{self.name} has no path to {what} adapters by",
                hint="Serve it by `fairlead models serve` with --max-lora-rank, and set "
                "model.control_key.",
            )
        return Passing(f"{self.name} did not {what} {served_name!r} ({status}): {said[:200]}")
