"""From options to the engine's exact command line and environment.

What other parts of Fairlead rely on is always there; what would open the engine to others, or hide
it from the front, is refused wherever it comes from.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fairlead.errors import InputError, SettingsError
from fairlead.serving.launch.environment import Vllm

HOST: Final = "127.0.0.1"
SHUTDOWN_SECONDS: Final = 20
"""What requests in flight get to finish in. vLLM's default is 0: it breaks them off."""
RANKS: Final = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""The values that vLLM takes for --max-lora-rank."""
_PROGRAMS: Final = Path(__file__).with_name("engine")
_GATE: Final = "fairlead_gate.Gate"
_OURS: Final = {
    "--model": "MODEL",
    "--served-model-name": "--name",
    "--port": "--port",
    "--host": "--host, which is the front's",
    "--lora-modules": "--adapter",
    "--enable-lora": "--max-lora-rank",
    "--max-lora-rank": "--max-lora-rank",
    "--max-loras": "--max-loras",
    "--max-model-len": "--max-model-len",
    "--tool-call-parser": "--tool-call-parser",
    "--reasoning-parser": "--reasoning-parser",
    "--otlp-traces-endpoint": "--otlp",
}
"""What the engine calls it → what stands for it here."""
_REFUSED: Final = (
    *("--api-key", "--uds", "--root-path", "--middleware", "--config", "--headless", "--grpc-port"),
    *("--ssl-keyfile", "--ssl-certfile", "--ssl-ca-certs", "--enable-ssl-refresh"),
    *("--ssl-cert-reqs", "--ssl-ciphers", "--allowed-origins", "--allow-credentials"),
    *("--no-enable-tokenizer-info-endpoint", "--tokens-only", "--shutdown-timeout"),
    # An adapter is known only to the server process that loaded it.
    *("--api-server-count", "-asc", "--data-parallel-supervisor-port"),
    *("--no-enable-prompt-tokens-details", "--no-enable-auto-tool-choice", "--no-enable-lora"),
    *("--no-enable-request-id-headers",),
)
_CLOSED: Final = {
    "VLLM_SERVER_DEV_MODE": "it opens paths that change the engine",
    "VLLM_LORA_RESOLVER_CACHE_DIR": "any request could load an adapter by naming it",
    "VLLM_LORA_RESOLVER_HF_REPO_LIST": "any request could load an adapter by naming it",
}
"""Variables that must not be set, and why."""
_LEFT_OUT: Final = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "VLLM_KEEP_ALIVE_ON_ENGINE_DEATH")
"""Variables that are about this process, or keep a broken engine alive."""
_STRUCTURED: Final = '{"backend":"xgrammar","disable_any_whitespace":true}'
"""JSON comes without blanks, which a weak model would write up to its limit of tokens."""
_ADAPTER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,127}")


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """What to serve, and how. Raises `InputError` for what the engine would not take."""

    model: str
    """A folder with config.json, or the name of a model on the Hugging Face Hub."""
    name: str = ""
    """What requests call it; without, the last part of `model`."""
    max_lora_rank: int = 0
    """0 serves no adapters."""
    max_loras: int = 4
    """Adapters in one batch."""
    max_model_len: int | None = None
    """Tokens of prompt and answer; without, what the model allows."""
    kv_cache_gib: int = 4
    """Memory for the key-value cache, on a CPU."""
    tool_call_parser: str = "hermes"
    reasoning_parser: str = ""
    adapters: tuple[tuple[str, Path], ...] = ()
    """Name and folder of each that is loaded from the start."""
    otlp: str = ""
    """Where the engine's spans go."""
    otlp_protocol: str = "http/protobuf"
    extra: tuple[str, ...] = ()
    """Arguments handed through as they are."""

    def __post_init__(self) -> None:
        if self.max_lora_rank not in (0, *RANKS):
            raise InputError(
                f"{self.max_lora_rank} is no rank that vLLM takes",
                hint=f"Take the next of {', '.join(map(str, RANKS))}; 0 is for no adapters.",
            )
        if self.adapters and not self.max_lora_rank:
            raise InputError(
                "adapters need a rank", hint="Set --max-lora-rank to the largest of their ranks."
            )
        _check_model(self.model)
        for name, path in self.adapters:
            _check_adapter(name, path)
        _check_extra(self.extra)

    @property
    def served_name(self) -> str:
        return self.name or self.model.rstrip("/").rpartition("/")[2]

    @property
    def is_local(self) -> bool:
        return Path(self.model).expanduser().is_dir()


def command(options: EngineOptions, vllm: Vllm, port: int) -> tuple[str, ...]:
    """The command line. Ours stands last: of an argument given twice, vLLM takes the last."""
    return (
        str(vllm.python),
        *("-m", "vllm.entrypoints.openai.api_server"),
        *("--structured-outputs-config", _STRUCTURED),
        *options.extra,
        *("--model", _model(options), "--served-model-name", options.served_name),
        *("--host", HOST, "--port", str(port), "--middleware", _GATE),
        *("--shutdown-timeout", str(SHUTDOWN_SECONDS)),
        "--enable-tokenizer-info-endpoint",
        "--enable-prompt-tokens-details",
        "--enable-request-id-headers",
        *("--enable-auto-tool-choice", "--tool-call-parser", options.tool_call_parser),
        *_optional(options, vllm),
    )


def _optional(options: EngineOptions, vllm: Vllm) -> Iterator[str]:
    if options.reasoning_parser:
        yield from ("--reasoning-parser", options.reasoning_parser)
    if options.max_lora_rank:
        yield from ("--enable-lora", "--max-lora-rank", str(options.max_lora_rank))
        yield from ("--max-loras", str(options.max_loras))
    if options.adapters:
        yield "--lora-modules"
        for name, path in options.adapters:  # as JSON: NAME=PATH breaks on a comma in the path
            yield json.dumps({"name": name, "path": str(path.expanduser().absolute())})
    if options.max_model_len is not None:
        yield from ("--max-model-len", str(options.max_model_len))
    if vllm.cpu:
        yield "--enforce-eager"  # compiling takes minutes, and a compiler that may not be there
    if options.otlp:
        yield from ("--otlp-traces-endpoint", options.otlp)


def variables(
    options: EngineOptions, vllm: Vllm, key: str, inherited: Mapping[str, str]
) -> dict[str, str]:
    """The environment: `inherited`, without what is about this process, and what vLLM needs.

    Raises `SettingsError` for a variable that would open the engine.
    """
    for name, why in _CLOSED.items():
        if inherited.get(name, "").strip() not in ("", "0"):
            raise SettingsError(f"{name} is set: {why}", hint=f"Unset {name}.")
    left_out = {*_LEFT_OUT, *_CLOSED, "VLLM_ALLOW_RUNTIME_LORA_UPDATING"}
    if not options.otlp:  # vLLM goes by the variable even where another one says not to
        left_out.add("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    kept = {name: value for name, value in inherited.items() if name not in left_out}
    kept |= {
        "VLLM_API_KEY": key,
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "PYTHONPATH": str(_PROGRAMS),  # the gate is there, and nothing else that can be imported
    }
    if options.max_lora_rank:  # vLLM calls it unsafe: the front keeps its paths for a key of theirs
        kept["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] = "1"
    if options.is_local:
        kept["HF_HUB_OFFLINE"] = "1"
    if vllm.cpu:
        kept["VLLM_CPU_KVCACHE_SPACE"] = str(options.kv_cache_gib)
    if options.otlp:
        kept["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] = options.otlp_protocol
    return kept


def traces_target(given: str, environment: Mapping[str, str]) -> tuple[str, str]:
    """Address and protocol for the engine's spans: as given, else as OpenTelemetry's variables
    say. No address: no spans."""

    def said(*names: str) -> str:
        return next((value for name in names if (value := environment.get(name, "").strip())), "")

    protocol = said("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
    protocol = "grpc" if protocol == "grpc" else "http/protobuf"  # vLLM knows these two
    off = said("OTEL_SDK_DISABLED").lower() == "true" or said("OTEL_TRACES_EXPORTER") == "none"
    if given or off:
        return given, protocol
    if exact := said("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        return exact, protocol
    root = said("OTEL_EXPORTER_OTLP_ENDPOINT")
    if root and protocol != "grpc":
        root = f"{root.rstrip('/')}/v1/traces"
    return root, protocol


def _model(options: EngineOptions) -> str:
    """A folder by its whole path, since the engine starts in another one."""
    if options.is_local:
        return str(Path(options.model).expanduser().absolute())
    return options.model


def _check_model(model: str) -> None:
    path = Path(model).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise InputError(
                f"{model!r} holds no model: there is no config.json",
                hint="Name the folder that config.json and the weights are in.",
            )
    elif not re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", model):
        raise InputError(
            f"{model!r} is neither a folder nor a name on the Hub",
            hint="Name a folder with config.json, or a model as ORGANISATION/NAME.",
        )


def _check_adapter(name: str, path: Path) -> None:
    if not _ADAPTER.fullmatch(name):
        raise InputError(
            f"{name!r} is no name for an adapter",
            hint="Use letters, digits, '.', '_', '-' and '@', a letter or digit first.",
        )
    if not (path.expanduser() / "adapter_config.json").is_file():
        raise InputError(
            f"{str(path)!r} holds no adapter: there is no adapter_config.json",
            hint="Name the folder that peft wrote.",
        )


def _check_extra(extra: tuple[str, ...]) -> None:
    """Refuses what is decided here, also when abbreviated, as vLLM's parser lets it be."""
    for argument in extra:
        flag = argument.partition("=")[0].partition(".")[0].replace("_", "-").lower()
        if flag == "--":
            raise InputError("'--' ends the engine's arguments", hint="Give it once.")
        if not flag.startswith("-") or flag.lstrip("-").isdigit():
            continue
        for name, instead in _OURS.items():
            if name.startswith(flag):
                raise InputError(f"{argument!r} is not passed on", hint=f"Use {instead}.")
        if any(name.startswith(flag) for name in _REFUSED):
            raise InputError(
                f"{argument!r} is not passed on",
                hint="It would open the engine, hide it from the front, or break what needs it.",
            )
