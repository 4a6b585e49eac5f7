"""`fairlead models serve` with a stand-in for vLLM that starts at once."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from tests.serving.launch.conftest import FAKE, Fake, alive

Run = Callable[..., Result]
Start = Callable[..., "subprocess.Popen[bytes]"]
SECONDS = 30
VLLM = """#!/bin/sh
case "$*" in
*vllm.entrypoints*) exec {python} -P {fake} "$@" ;;
*) echo '{{"vllm": "0.33.0"}}' ;;
esac
"""


@pytest.fixture
def model(home: Path) -> Path:
    folder = home / "tiny"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return folder


@pytest.fixture
def python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of an environment with a vLLM that is none."""
    monkeypatch.setenv("FAKE_EVENTS", str(tmp_path / "events.jsonl"))
    monkeypatch.delenv("VLLM_API_KEY", raising=False)
    file = tmp_path / "python"
    file.write_text(VLLM.format(python=sys.executable, fake=FAKE))
    file.chmod(0o755)
    return file


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[Fake]:
    """What happened to the engines, of which none is left."""
    fake = Fake(tmp_path)
    yield fake
    until(lambda: not alive(fake.pids()))


@pytest.fixture
def serve(start: Start, python: Path, model: Path, fake: Fake) -> Callable[..., Any]:
    def begin(*options: str, **more: Any) -> "subprocess.Popen[bytes]":
        line = ("models", "serve", "tiny", "--python", str(python), "--port", "0", *options)
        return start(*line, stdin=subprocess.DEVNULL, **more)

    return begin


def until(true: Callable[[], bool]) -> None:
    patience = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < patience
        time.sleep(0.02)


def ask(url: str, body: object = None, key: str = "") -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Authorization": f"Bearer {key}"})
    return urllib.request.urlopen(request, timeout=SECONDS)


def ended(process: "subprocess.Popen[bytes]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=SECONDS)
    return process.returncode, out.decode(), err.decode()


def test_it_says_where_and_ends_at_sigterm(serve: Callable[..., Any], fake: Fake) -> None:
    process = serve()
    url = process.stdout.readline().decode().strip()
    assert url.startswith("http://127.0.0.1:") and url.endswith("/v1")
    assert ask(f"{url}/models").status == 200
    assert alive(fake.pids()) == fake.pids() and len(fake.pids()) == 3
    process.send_signal(signal.SIGTERM)
    status, out, err = ended(process)
    assert (status, out) == (0, "") and "no key is set" in err and "stopping" in err
    assert fake.events("ended") == [True]


def test_for_programs_with_keys_and_adapters(
    serve: Callable[..., Any], fake: Fake, home: Path
) -> None:
    (home / "a").mkdir()
    (home / "a" / "adapter_config.json").write_text("{}")
    options = ("--json", "--name", "base", "--max-lora-rank", "8", "--adapter", "a=a")
    keys = {"VLLM_API_KEY": "data-key", "FAIRLEAD_CONTROL_KEY": "control-key"}
    process = serve(*options, "--", "--seed", "7", env=keys)
    document = json.loads(process.stdout.readline())
    assert list(document) == ["schema", "model"] and document["schema"] == "fairlead.models/1"
    found = document["model"]
    assert (found["name"], found["adapters"]) == ("base", ["a"])
    assert found["engine"]["pid"] == fake.events("pid")[0]
    assert Path(found["engine"]["log"]) == home / ".fairlead" / "models" / "base.log"
    with pytest.raises(urllib.error.HTTPError, match="401"):
        ask(f"{found['url']}/models")
    assert ask(f"{found['url']}/models", key="data-key").status == 200
    loading = f"{found['url']}/load_lora_adapter"
    assert ask(loading, {"lora_name": "b"}, key="control-key").status == 200
    with pytest.raises(urllib.error.HTTPError, match="401"):
        ask(f"{found['engine']['url']}/health", key="data-key")
    (arguments,) = fake.events("arguments")
    assert arguments[arguments.index("--seed") + 1] == "7"
    process.send_signal(signal.SIGINT)
    status, _, err = ended(process)
    assert status == 130 and "Interrupted." in err and "no key is set" not in err


def test_a_stream_is_finished_before_it_ends(serve: Callable[..., Any], fake: Fake) -> None:
    process = serve()
    url = process.stdout.readline().decode().strip()
    with ask(f"{url}/chat/completions", {"do": "hold"}) as reply:
        assert reply.readline() == b"data: first\n"
        process.send_signal(signal.SIGTERM)
        until(lambda: fake.events("signal") == [signal.SIGTERM])
        with pytest.raises(urllib.error.HTTPError, match="503"):
            ask(f"{url}/models")
        os.kill(fake.events("pid")[0], signal.SIGUSR1)  # goes on with the stream
        assert reply.read() == b"\ndata: [DONE]\n\n"
    assert ended(process)[0] == 0


def test_a_second_signal_ends_it_at_once(serve: Callable[..., Any], fake: Fake) -> None:
    process = serve(env={"FAKE_STUBBORN": "1"})
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    until(lambda: fake.events("signal") == [signal.SIGTERM])
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == 0


def test_killed_it_leaves_nothing_behind(serve: Callable[..., Any], fake: Fake) -> None:
    process = serve()
    process.stdout.readline()
    assert len(alive(fake.pids())) == 3
    process.kill()
    assert ended(process)[0] == -signal.SIGKILL
    until(lambda: not alive(fake.pids()))
    assert fake.events("signal") == []


def test_an_engine_that_dies_comes_back(serve: Callable[..., Any], fake: Fake) -> None:
    process = serve()
    url = process.stdout.readline().decode().strip()
    os.kill(fake.events("pid")[0], signal.SIGKILL)
    until(lambda: len(fake.events("pid")) == 2)

    def answers() -> bool:
        try:
            return bool(ask(f"{url}/models").status == 200)
        except urllib.error.HTTPError as error:
            assert error.code in (502, 503)
            return False

    until(answers)
    process.send_signal(signal.SIGTERM)
    status, out, err = ended(process)
    assert (status, out) == (0, "") and "ended with status 137" in err and "ready again" in err


def test_an_engine_that_does_not_start_is_exit_5(serve: Callable[..., Any]) -> None:
    status, out, err = ended(serve("--json", env={"FAKE_FAILURE": "no such parser"}))
    assert status == 5 and "ValueError: no such parser" in err
    assert json.loads(out)["error"]["code"] == "unavailable"


def test_a_port_that_is_taken_is_found_out_before_the_engine_starts(
    serve: Callable[..., Any], fake: Fake
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        status, _, err = ended(serve("--port", port))
    assert status == 2 and port in err and "--port" in err and not fake.pids()


def test_without_an_environment_nothing_is_installed(
    run: Run, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIRLEAD_CACHE", str(tmp_path / "cache"))
    failed = run("models", "serve", "tiny")
    assert failed.exit_code == 3 and "fairlead models install" in failed.stderr
    assert not (tmp_path / "cache").exists()


def test_settings_name_an_environment(
    run: Run, model: Path, python: Path, home: Path, fake: Fake
) -> None:
    (home / "fairlead.toml").write_text(f'[launch]\npython = "{python}"\n')
    shown = run("models", "serve", "tiny", "--dry-run")
    assert shown.exit_code == 0, shown.stderr
    assert str(python) in shown.stdout and "HF_HUB_OFFLINE=1" in shown.stdout


def test_the_dry_run_shows_no_key(
    run: Run, model: Path, python: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLLM_API_KEY", "data-key")
    monkeypatch.setenv("FAIRLEAD_CONTROL_KEY", "control-key")
    line = ("models", "serve", "tiny", "--python", str(python), "--dry-run", "--json")
    shown = run(*line)
    plan = json.loads(shown.stdout)["plan"]
    assert plan["commands"][0][:3] == [str(python), "-m", "vllm.entrypoints.openai.api_server"]
    assert "data-key" not in shown.stdout and "control-key" not in shown.stdout
    assert not fake.pids()


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (("--host", "0.0.0.0"), 3, "'0.0.0.0' can be reached from other machines"),
        (("--variant", "tpu"), 2, "'tpu'"),
        (("--adapter", "a"), 2, "'a' is no adapter"),
        (("--adapter", "a="), 2, "'a=' is no adapter"),
        (("--max-lora-rank", "3"), 2, "3 is no rank"),
        (("more",), 2, "unexpected argument 'more'"),
        (("--", "--host", "0.0.0.0"), 2, "'--host' is not passed on"),
        (("--python", "gone"), 3, "'gone' is not a Python"),
    ],
)
def test_what_cannot_be_served(
    run: Run,
    model: Path,
    python: Path,
    fake: Fake,
    options: tuple[str, ...],
    status: int,
    said: str,
) -> None:
    failed = run("models", "serve", "tiny", "--python", str(python), *options)
    assert failed.exit_code == status and said in failed.stderr, failed.stderr
    assert not fake.pids()


def test_a_variable_that_opens_the_engine(
    run: Run, model: Path, python: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLLM_SERVER_DEV_MODE", "1")
    failed = run("models", "serve", "tiny", "--python", str(python))
    assert failed.exit_code == 3 and "Unset VLLM_SERVER_DEV_MODE" in failed.stderr
