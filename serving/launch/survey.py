"""What the model servers of the settings say of themselves."""

import asyncio
import contextlib
import math
import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import orjson

_SECONDS: Final = 5.0
_MOST: Final = 4 << 20
"""Bytes that are read of one answer."""
_SAMPLE: Final = re.compile(r"^(vllm:\w+)(?:\{.*\})? (\S+)$", re.M)
_GAUGES: Final = {
    "running": "vllm:num_requests_running",
    "waiting": "vllm:num_requests_waiting",
    "kv_usage": "vllm:kv_cache_usage_perc",
    "prefix_queries": "vllm:prefix_cache_queries_total",
    "prefix_hits": "vllm:prefix_cache_hits_total",
}


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where a model is served."""

    name: str
    """In the settings."""
    provider: str
    url: str = ""
    """Up to and with /v1; empty where there is no server."""
    model: str = ""
    """As the settings say that the server knows it."""
    key: str = ""


@dataclass(frozen=True, kw_only=True)
class LoadedAdapter:
    name: str
    base: str
    """The served model that it belongs to."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What one server said; None for what it does not say."""

    name: str
    provider: str
    url: str
    status: str
    """`up`, `down`, or `unasked` of a LangChain class, which may be anywhere."""
    error: str = ""
    healthy: bool | None = None
    latency_ms: float | None = None
    """Of listing its models."""
    served: tuple[str, ...] = ()
    adapters: tuple[LoadedAdapter, ...] = ()
    running: int | None = None
    waiting: int | None = None
    kv_usage: float | None = None
    """Share of the key-value cache in use, 0 to 1."""
    prefix_queries: int | None = None
    """Tokens looked up in the prefix cache since the server's start."""
    prefix_hits: int | None = None
    """Tokens found there."""


async def survey(servers: Sequence[Server], *, seconds: float = _SECONDS) -> tuple[Report, ...]:
    """Asks all servers at once, each for at most `seconds` an answer. One that is down is a row."""
    timeout = aiohttp.ClientTimeout(total=seconds)
    async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as by:
        return tuple(await asyncio.gather(*(_asked(by, each) for each in servers)))


async def _asked(session: aiohttp.ClientSession, server: Server) -> Report:
    known: dict[str, Any] = {
        "name": server.name,
        "provider": server.provider,
        "url": server.url,
    }
    if not server.url:
        return Report(**known, status="up" if server.provider == "embedded" else "unasked")
    url = server.url.rstrip("/")
    root = url.removesuffix("/v1")
    began = time.perf_counter()
    try:
        status, listed = await _get(session, f"{url}/models", server.key)
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        return Report(**known, status="down", error=_said(error))
    known["latency_ms"] = round((time.perf_counter() - began) * 1000, 1)
    if status != 200:
        return Report(**known, status="down", error=f"{url}/models answered {status}")
    try:
        served, adapters = _models(listed)
    except (ValueError, TypeError, KeyError, AttributeError):
        return Report(**known, status="down", error=f"{url}/models did not answer with a list")
    wanted, names = server.model, (*served, *(each.name for each in adapters))
    known |= await _metrics(session, root, server.key)
    return Report(
        **known,
        status="up",
        error=f"it does not serve {wanted!r}" if wanted and wanted not in names else "",
        served=served,
        adapters=adapters,
        healthy=await _health(session, root, server.key),
    )


async def _get(session: aiohttp.ClientSession, url: str, key: str) -> tuple[int, bytes]:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with session.get(url, headers=headers, allow_redirects=False) as reply:
        body = await reply.content.read(_MOST)
        while len(body) < _MOST and (more := await reply.content.read(_MOST - len(body))):
            body += more
        return reply.status, body


def _models(listed: bytes) -> tuple[tuple[str, ...], tuple[LoadedAdapter, ...]]:
    """Names of base models, and the adapters, which are the entries with a parent."""
    entries = orjson.loads(listed)["data"]
    served = tuple(str(each["id"]) for each in entries if not each.get("parent"))
    adapters = tuple(
        LoadedAdapter(name=str(each["id"]), base=str(each["parent"]))
        for each in entries
        if each.get("parent")
    )
    return served, adapters


async def _health(session: aiohttp.ClientSession, root: str, key: str) -> bool | None:
    """What `/health` says; None of a server that has no such path."""
    try:
        status, _ = await _get(session, f"{root}/health", key)
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False
    return None if status in (401, 403, 404, 405) else status == 200


async def _metrics(session: aiohttp.ClientSession, root: str, key: str) -> Mapping[str, float]:
    """vLLM's gauges and counters, summed over its engines; nothing of other servers."""
    with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
        status, text = await _get(session, f"{root}/metrics", key)
        if status == 200:
            return _gauges(text.decode("utf-8", "replace"))
    return {}


def _gauges(text: str) -> Mapping[str, float]:
    found: dict[str, float] = {}
    for metric, value in _SAMPLE.findall(text):
        for name, wanted in _GAUGES.items():
            if metric == wanted:
                with contextlib.suppress(ValueError):
                    found[name] = found.get(name, 0.0) + float(value)
    return {
        name: value if name == "kv_usage" else int(value)
        for name, value in found.items()
        if math.isfinite(value)
    }


def _said(error: Exception) -> str:
    """What went wrong, in a line; without the address, which stands beside it."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno
        return f"no connection: {os.strerror(number) if number else error.os_error}"
    return f"{type(error).__name__}: {error}".splitlines()[0]
