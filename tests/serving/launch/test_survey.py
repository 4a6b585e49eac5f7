"""What servers say of themselves becomes a row each, whatever state they are in."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from fairlead.serving.launch.survey import LoadedAdapter, Report, Server, survey

METRICS = """\
# HELP vllm:num_requests_running Number of requests
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="base"} 2.0
vllm:num_requests_running{engine="1",model_name="base"} 1.0
vllm:num_requests_waiting{engine="0",model_name="base"} 4.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="base",reason="capacity"} 4.0
vllm:kv_cache_usage_perc{engine="0",model_name="ba}se"} 0.25
vllm:prefix_cache_queries_total{engine="0",model_name="base"} 1.2e+03
vllm:prefix_cache_queries_created{engine="0",model_name="base"} 1.7e+09
vllm:prefix_cache_hits_total{engine="0"} four
vllm:prefix_cache_hits_total{engine="0",model_name="base"} NaN
"""
LISTED = {
    "data": [
        {"id": "base", "parent": None},
        {"id": "support@3", "parent": "base"},
        {"id": "also"},
    ]
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Start = Callable[..., Awaitable[str]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """A server with so many paths; its address up to and with /v1."""
    runners: list[web.AppRunner] = []

    async def begin(**paths: Handler) -> str:
        app = web.Application()
        for name, handler in paths.items():
            app.router.add_get(f"/v1/{name}" if name == "models" else f"/{name}", handler)
        runners.append(runner := web.AppRunner(app, access_log=None, shutdown_timeout=0.1))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}/v1"

    yield begin
    for runner in runners:
        await runner.cleanup()


async def listing(request: web.Request) -> web.Response:
    return web.json_response(LISTED)


def server(url: str, **more: str) -> Server:
    return Server(name="backup", provider="vllm", url=url, **more)


async def test_all_that_vllm_says(start: Start) -> None:
    seen = []

    async def metrics(request: web.Request) -> web.Response:
        seen.append(request.headers["Authorization"])
        return web.Response(text=METRICS)

    async def health(request: web.Request) -> web.Response:
        return web.Response()

    url = await start(models=listing, health=health, metrics=metrics)
    (report,) = await survey([server(url, model="support@3", key="secret")])
    assert seen == ["Bearer secret"]
    assert report.latency_ms is not None and report.latency_ms > 0
    assert report == Report(
        name="backup",
        provider="vllm",
        url=url,
        status="up",
        healthy=True,
        latency_ms=report.latency_ms,
        served=("base", "also"),
        adapters=(LoadedAdapter(name="support@3", base="base"),),
        running=3,
        waiting=4,
        kv_usage=0.25,
        prefix_queries=1200,
    )


async def test_other_servers_say_less(start: Start) -> None:
    (report,) = await survey([server(await start(models=listing))])
    assert (report.status, report.healthy, report.running, report.error) == ("up", None, None, "")


async def test_a_model_that_is_not_there_is_told(start: Start) -> None:
    (report,) = await survey([server(await start(models=listing), model="base-2")])
    assert report.status == "up" and report.error == "it does not serve 'base-2'"


async def test_an_unhealthy_one(start: Start) -> None:
    async def health(request: web.Request) -> web.Response:
        return web.Response(status=503)

    (report,) = await survey([server(await start(models=listing, health=health, metrics=health))])
    assert (report.status, report.healthy, report.waiting) == ("up", False, None)


async def test_those_that_are_down_are_rows(start: Start, unused_tcp_port: int) -> None:
    async def refusing(request: web.Request) -> web.Response:
        return web.Response(status=401)

    async def nonsense(request: web.Request) -> web.Response:
        return web.Response(text="<html>")

    async def list_of_lists(request: web.Request) -> web.Response:
        return web.json_response({"data": [[]]})

    async def silent(request: web.Request) -> web.Response:
        await asyncio.sleep(600)
        raise AssertionError

    servers = [
        server(f"http://127.0.0.1:{unused_tcp_port}/v1"),
        server(await start(models=refusing)),
        server(await start(models=nonsense)),
        server(await start(models=list_of_lists)),
        server(await start(models=silent)),
        server("http://[::1/v1"),
    ]
    reports = await survey(servers, seconds=0.3)
    assert {each.status for each in reports} == {"down"}
    said = [each.error for each in reports]
    assert said[0] == "no connection: Connection refused"
    assert said[1].endswith("/v1/models answered 401")
    assert said[2].endswith("did not answer with a list") and said[3] == said[2].replace(
        servers[2].url, servers[3].url
    )
    assert said[4] == "no answer in time" and said[5]


async def test_what_has_no_server_is_listed() -> None:
    reports = await survey(
        [
            Server(name="base", provider="embedded"),
            Server(name="base", provider="langchain:a:B"),
        ]
    )
    assert [each.status for each in reports] == ["up", "unasked"]
