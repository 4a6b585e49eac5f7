"""The engine's command line holds what we rely on, and nothing that would open it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.errors import InputError, SettingsError
from fairlead.serving.launch.environment import Vllm
from fairlead.serving.launch.flags import (
    RANKS,
    EngineOptions,
    command,
    traces_target,
    variables,
)

CPU = Vllm(python=Path("/env/bin/python"), version="0.32.0", cpu=True)
GPU = replace(CPU, cpu=False)
HUB = EngineOptions(model="Qwen/Qwen3-0.6B")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return folder


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    folder = tmp_path / "a, b=c"
    folder.mkdir()
    (folder / "adapter_config.json").write_text("{}")
    return folder


def value(line: tuple[str, ...], flag: str) -> str:
    assert line.count(flag) == 1, flag
    return line[line.index(flag) + 1]


def test_what_others_rely_on_is_always_there() -> None:
    for vllm in (CPU, GPU):
        line = command(HUB, vllm, 1234)
        assert line[:3] == ("/env/bin/python", "-m", "vllm.entrypoints.openai.api_server")
        assert value(line, "--host") == "127.0.0.1" and value(line, "--port") == "1234"
        assert value(line, "--model") == "Qwen/Qwen3-0.6B"
        assert value(line, "--served-model-name") == "Qwen3-0.6B"
        assert value(line, "--shutdown-timeout") == "20"
        assert value(line, "--tool-call-parser") == "hermes"
        assert value(line, "--middleware") == "fairlead_gate.Gate"
        assert {
            "--enable-tokenizer-info-endpoint",
            "--enable-prompt-tokens-details",
            "--enable-auto-tool-choice",
            "--enable-request-id-headers",
        } <= set(line)
        assert '"disable_any_whitespace":true' in value(line, "--structured-outputs-config")
        assert ("--enforce-eager" in line) is vllm.cpu
        for left in ("--enable-lora", "--lora-modules", "--max-model-len", "--reasoning-parser"):
            assert left not in line
        assert "--otlp-traces-endpoint" not in line


def test_options_become_flags(model: Path, adapter: Path) -> None:
    options = EngineOptions(
        model=str(model),
        name="base",
        max_lora_rank=8,
        max_loras=2,
        max_model_len=2048,
        tool_call_parser="llama3_json",
        reasoning_parser="qwen3",
        adapters=(("support@3", adapter),),
        otlp="http://127.0.0.1:4318/v1/traces",
        extra=("--seed", "7", "--max-cpu-loras=9", "--model-impl", "auto"),
    )
    line = command(options, GPU, 1)
    assert value(line, "--model") == str(model) and value(line, "--served-model-name") == "base"
    assert value(line, "--max-lora-rank") == "8" and value(line, "--max-loras") == "2"
    assert value(line, "--max-model-len") == "2048"
    assert value(line, "--reasoning-parser") == "qwen3"
    assert value(line, "--otlp-traces-endpoint") == options.otlp
    said = json.loads(value(line, "--lora-modules"))
    assert said == {"name": "support@3", "path": str(adapter)}
    assert line.index("7") < line.index("--host"), "of an argument given twice the last holds"


def test_the_environment(model: Path) -> None:
    inherited = {
        "PATH": "/bin",
        "HF_TOKEN": "hub",
        "PYTHONPATH": "/mine",
        "VIRTUAL_ENV": "/mine",
        "VLLM_API_KEY": "of the front",
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
        "VLLM_KEEP_ALIVE_ON_ENGINE_DEATH": "1",
        "VLLM_SERVER_DEV_MODE": "0",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://elsewhere",
    }
    made = variables(HUB, GPU, "engine-key", inherited)
    assert Path(made.pop("PYTHONPATH"), "fairlead_gate.py").is_file()
    assert made == {
        "PATH": "/bin",
        "HF_TOKEN": "hub",
        "VLLM_API_KEY": "engine-key",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
    }
    options = EngineOptions(
        model=str(model), max_lora_rank=8, kv_cache_gib=2, otlp="http://x", otlp_protocol="grpc"
    )
    more = variables(options, CPU, "engine-key", {})
    assert more["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] == "1"
    assert more["VLLM_CPU_KVCACHE_SPACE"] == "2"
    assert more["HF_HUB_OFFLINE"] == "1"
    assert more["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] == "grpc"


def test_nothing_but_the_gate_comes_with_it() -> None:
    folder = Path(variables(HUB, CPU, "key", {})["PYTHONPATH"])
    modules = {each.name for each in folder.glob("*.py")}
    assert modules == {"__init__.py", "fairlead_gate.py", "keeper.py"}


@pytest.mark.parametrize(
    "name",
    ["VLLM_SERVER_DEV_MODE", "VLLM_LORA_RESOLVER_CACHE_DIR", "VLLM_LORA_RESOLVER_HF_REPO_LIST"],
)
def test_variables_that_open_the_engine_are_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} is set") as refused:
        variables(HUB, CPU, "key", {name: "1"})
    assert refused.value.hint == f"Unset {name}."


@pytest.mark.parametrize(
    "argument",
    [
        *(
            "--host",
            "--host=0.0.0.0",
            "--hos",
            "--h",
            "--port=1",
            "--uds",
            "--api-key",
            "--api_key=x",
        ),
        *(
            "--api",
            "--API-KEY",
            "--config",
            "--conf",
            "--middleware",
            "--middle=x.y",
            "--root-path",
        ),
        *(
            "--model",
            "--mod",
            "--served_model_name",
            "--lora-modules",
            "--enable-lora",
            "--max-lora",
        ),
        *("--shutdown-timeout", "--shut=0", "--ssl-keyfile", "--allowed-origins", "--headless"),
        *("--api-server-count", "-asc", "--grpc", "--tool-call-parser", "--otlp-traces-endpoint.x"),
        *("--no-enable-auto-tool-choice", "--"),
    ],
)
def test_arguments_that_open_the_engine_are_refused(argument: str) -> None:
    for extra in ((argument,), ("--seed", "1", argument, "x")):
        with pytest.raises(InputError) as refused:
            EngineOptions(model="a/b", extra=extra)
        assert repr(argument) in refused.value.message and refused.value.hint


@pytest.mark.parametrize(
    "extra",
    [
        ("--seed", "-1"),
        ("--gpu-memory-utilization", "0.8", "-tp", "2", "-O3"),
        ("--model-impl=auto", "--config-format", "hf", "--max-cpu-loras", "8"),
        ("--speculative-config", '{"method": "ngram", "host": "x"}'),
    ],
)
def test_other_arguments_are_passed_on(extra: tuple[str, ...]) -> None:
    assert command(EngineOptions(model="a/b", extra=extra), CPU, 1)[5 : 5 + len(extra)] == extra


@given(st.sampled_from(["--host", "--api-key", "--uds", "--port", "--middleware"]), st.data())
def test_no_spelling_of_a_refused_argument_passes(flag: str, data: st.DataObject) -> None:
    cut = data.draw(st.integers(3, len(flag)))
    spelt = "".join(
        data.draw(st.sampled_from([letter, letter.upper()])) if letter.isalpha() else letter
        for letter in flag[:cut].replace("-", data.draw(st.sampled_from("-_")))
    )
    spelt = f"--{spelt[2:]}{data.draw(st.sampled_from(['', '=x', '.a=x']))}"
    with pytest.raises(InputError):
        EngineOptions(model="a/b", extra=(spelt,))


@pytest.mark.parametrize("rank", [-1, 2, 4, 9, 1024])
def test_ranks_are_those_that_vllm_takes(rank: int) -> None:
    with pytest.raises(InputError, match=f"{rank} is no rank"):
        EngineOptions(model="a/b", max_lora_rank=rank)
    for known in (0, *RANKS):
        EngineOptions(model="a/b", max_lora_rank=known)


def test_models_and_adapters_are_looked_at_first(tmp_path: Path, adapter: Path) -> None:
    for model in (str(tmp_path), str(tmp_path / "gone"), "./gone", "gone", "../a/b", "a/b/c", ""):
        with pytest.raises(InputError) as refused:
            EngineOptions(model=model)
        assert repr(model) in refused.value.message
    with pytest.raises(InputError, match="adapters need a rank"):
        EngineOptions(model="a/b", adapters=(("x", adapter),))
    for name in ("", "a b", "-a", "a/b", "a=b", "x" * 129):
        with pytest.raises(InputError, match="no name for an adapter"):
            EngineOptions(model="a/b", max_lora_rank=8, adapters=((name, adapter),))
    with pytest.raises(InputError, match="holds no adapter"):
        EngineOptions(model="a/b", max_lora_rank=8, adapters=(("x", tmp_path),))


@pytest.mark.parametrize(
    ("given", "environment", "expected"),
    [
        ("", {}, ("", "http/protobuf")),
        ("http://x", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://y"}, ("http://x", "http/protobuf")),
        (
            "",
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://y:4318/"},
            ("http://y:4318/v1/traces", "http/protobuf"),
        ),
        (
            "",
            {
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://z/traces",
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://y",
            },
            ("http://z/traces", "http/protobuf"),
        ),
        (
            "",
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://y:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            ("http://y:4317", "grpc"),
        ),
        (
            "",
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://y", "OTEL_SDK_DISABLED": "true"},
            ("", "http/protobuf"),
        ),
        (
            "",
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://y", "OTEL_TRACES_EXPORTER": "none"},
            ("", "http/protobuf"),
        ),
    ],
)
def test_spans_go_where_opentelemetry_says(
    given: str, environment: dict[str, str], expected: tuple[str, str]
) -> None:
    assert traces_target(given, environment) == expected
