"""A vLLM server's adapters over HTTP, as the real one answers."""

import json
from pathlib import Path

import pytest

from fairlead.errors import SettingsError, Unavailable
from fairlead.serving.remote.replica import ServedReplica
from tests.serving.remote.protocol import ChatServer, Connection, Seen, reply


class Engine(ChatServer):
    """Loads and forgets by name."""

    def __init__(self) -> None:
        super().__init__()
        self.adapters: set[str] = set()
        self.always = self.control
        self.told = self.models

    async def models(self, connection: Connection, seen: Seen) -> None:
        data = [{"id": "base", "parent": None}]
        data += [{"id": name, "parent": "base"} for name in self.adapters]
        await reply(body={"data": data})(connection, seen)

    async def control(self, connection: Connection, seen: Seen) -> None:
        name, known = seen.body["lora_name"], seen.body["lora_name"] in self.adapters
        if seen.headers.get("authorization") != "Bearer control":
            await reply(401, {"error": "no"})(connection, seen)
        elif seen.path.endswith("/unload_lora_adapter"):
            self.adapters.discard(name)
            await reply(200 if known else 404, b"Success", kind="text/plain")(connection, seen)
        elif known or "broken" in seen.body["lora_path"]:
            error = {"error": {"message": "it cannot be loaded"}}
            await reply(400, error)(connection, seen)
        else:
            self.adapters.add(name)
            await reply(200, b"Success", kind="text/plain")(connection, seen)


async def test_loading_and_forgetting(tmp_path: Path) -> None:
    async with Engine() as engine:
        replica = ServedReplica(engine.url, api_key="data", control_key="control")
        assert replica.name == engine.url and await replica.loaded() == set()
        await replica.load("support-1-abc", tmp_path)
        await replica.load("support-1-abc", tmp_path)  # it is there: what was wanted
        assert await replica.loaded() == {"support-1-abc"}
        assert json.loads(json.dumps(engine.seen[0].body))["lora_path"] == str(tmp_path)
        with pytest.raises(Unavailable, match="it cannot be loaded"):
            await replica.load("other", tmp_path / "broken")
        await replica.unload("support-1-abc")
        await replica.unload("support-1-abc")
        assert await replica.loaded() == set()
        await replica.close()


async def test_without_the_control_key(tmp_path: Path) -> None:
    async with Engine() as engine:
        replica = ServedReplica(engine.url, api_key="data")
        with pytest.raises(SettingsError, match="refused the key"):
            await replica.load("support-1-abc", tmp_path)
        engine.always = reply(404, b"", kind="text/plain")
        with pytest.raises(SettingsError, match="no path to load"):
            await replica.load("support-1-abc", tmp_path)
        engine.told = reply(body=b"<html>")
        with pytest.raises(SettingsError, match="did not list models"):
            await replica.loaded()
        engine.told = reply(503, {})
        with pytest.raises(Unavailable, match="503"):
            await replica.loaded()
        await replica.close()
