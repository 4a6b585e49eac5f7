"""Opens a served model: the pool, the clock, the caches of prompts, the tracing."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from fairlead.errors import InputError
from fairlead.model_sections import ModelSettings
from fairlead.serving.remote.body import Body
from fairlead.serving.remote.calls import Calls, Patience
from fairlead.serving.remote.capabilities import Capabilities, ServerKind
from fairlead.serving.remote.control import ControlTokens
from fairlead.serving.remote.endpoints import Endpoints
from fairlead.serving.remote.model import HttpModel
from fairlead.serving.remote.wire import Wire
from fairlead.tracing import Tracing

_SALT = b"fairlead prefix cache"
"""Keeps tenants apart where no key is given; who may send requests of his own could find it out."""


def calls_of(told: ModelSettings, *, api_key: str, tracing: Tracing | None = None) -> Calls:
    """Calls of a configured server; close them when done."""
    wires = [Wire(url, api_key=api_key, connect=told.connect_seconds) for url in told.addresses]
    patience = Patience(seconds=told.seconds, tries=told.tries, pause=told.pause_seconds)
    return Calls(Endpoints(wires), patience=patience, tracing=tracing)


@asynccontextmanager
async def open_model(
    url: str | Sequence[str],
    name: str,
    *,
    api_key: str | None = None,
    server: ServerKind | Capabilities = "openai",
    control_tokens: Iterable[str] = (),
    salt_key: str = "",
    seconds: float = 120.0,
    gap: float = 30.0,
    connect: float = 5.0,
    tries: int = 3,
    pause: float = 8.0,
    tracing: Tracing | None = None,
) -> AsyncIterator[HttpModel]:
    """The chat model `name` of an OpenAI-compatible server; its connections close with the block.

    `url` mostly ends with /v1; several are servers of the same model, and the least loaded is
    asked, a thread always the same. `server` declares what they understand: `openai`, `vllm` or
    `plain`, or `Capabilities` of your own. `control_tokens`: tokens of its tokenizer that no text
    may hold, beside those that chat templates use and those that a vLLM server tells. `salt_key`:
    secret from which a tenant's salt of the prefix cache is derived, else the api key. Seconds:
    `seconds` for a whole call, `gap` between two pieces of a stream, `connect` for a connection,
    `pause` the longest between two of `tries` tries. `tracing`: where each try becomes a span.

    Raises `SettingsError` for an address or a key that cannot be used, `InputError` for no address.
    """
    urls = [url] if isinstance(url, str) else list(url)
    if not urls or not name:
        raise InputError("a served model needs an address and a name", hint="Give both.")
    can = Capabilities.of(server)
    async with AsyncExitStack() as opened:
        wires = [
            await opened.enter_async_context(Wire(each, api_key=api_key or "", connect=connect))
            for each in dict.fromkeys(urls)
        ]
        told = wires if can.tokenizer_info else ()
        control = ControlTokens(control_tokens, servers=told)
        key = (salt_key or api_key or "").encode() or _SALT
        patience = Patience(seconds=seconds, gap=gap, tries=tries, pause=pause)
        yield HttpModel(
            name,
            Calls(Endpoints(wires), patience=patience, tracing=tracing),
            Body(name, can, salt_key=key, control=control),
        )
