"""Control tokens of one served model's tokenizer, read from its files or asked of its server.

The guards know the forms that chat templates use (`fairlead.guardrails.tokens`). A model may have
others; a text that holds one literally would become that token, whoever wrote it. Here the exact
list is read, and each is broken wherever it stands.
"""

import asyncio
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import orjson

from fairlead.errors import FairleadError, SettingsError
from fairlead.guardrails.text import remembering
from fairlead.guardrails.tokens import broken as generic
from fairlead.serving.remote.wire import Wire

REST: Final = 30.0
"""Seconds in which a server that did not answer is not asked again for its tokens."""
WAITING: Final = 2.0
"""Seconds for one server to tell."""
_INFO: Final = "/tokenizer_info"
"""vLLM's, where it was started with --enable-tokenizer-info-endpoint."""
_signs: Final = re.compile(r"[\W_]")
_MARKUP: Final = frozenset("<>[]{}|＜＞｜")
_FILES: Final = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


def breaking(tokens: Iterable[str]) -> Callable[[str], str]:
    """A function that breaks the tokens and every generic control token in a text.

    What it returns holds none of them. Every sign of a token becomes a space; one of letters alone
    has a space put into it.
    """
    ours = sorted({token for token in tokens if token.strip()}, key=len, reverse=True)
    ours = [token for token in ours if token in generic(token)[0]]  # those not broken anyway
    if not ours:
        return remembering(lambda text: generic(text)[0])
    any_of = re.compile("|".join(map(re.escape, ours)))

    def broken(text: str) -> str:
        text = generic(text)[0]
        for _ in range(8):  # what is written could complete another token
            new = any_of.sub(_overwritten, text)
            if new == text:
                return text
            text = new
        return any_of.sub(lambda found: " " * len(found.group()), text)

    return remembering(broken)


def _overwritten(found: re.Match[str]) -> str:
    token = found.group()
    blunt = _signs.sub(" ", token)
    return blunt if blunt != token else f"{token[0]} {token[1:]}"


def from_folder(folder: Path) -> frozenset[str]:
    """The control tokens that a model's tokenizer files declare.

    Raises `SettingsError` for a folder without any of them, or with one that cannot be read.
    """
    found: set[str] = set()
    files = [folder / name for name in _FILES if (folder / name).is_file()]
    if not files:
        raise SettingsError(
            f"{str(folder)!r} holds no tokenizer: none of {', '.join(_FILES)}",
            hint="Set the model's tokenizer to the folder that its server loads.",
        )
    for file in files:
        try:
            found |= declared(orjson.loads(file.read_bytes()))
        except (OSError, orjson.JSONDecodeError) as error:
            raise SettingsError(
                f"{str(file)!r} cannot be read: {error}", hint="Fetch the model's files again."
            ) from error
    return frozenset(found)


class ControlTokens:
    """What must not stand in a text for one model; what its server tells is added at first use."""

    def __init__(self, tokens: Iterable[str] = (), *, servers: Sequence[Wire] = ()) -> None:
        self._tokens = frozenset(tokens)
        self._servers = list(servers)
        self._lock = asyncio.Lock()
        self._rests_until = 0.0
        self.broken = breaking(self._tokens)
        """The text without control tokens."""

    async def learn(self, seconds: float) -> None:
        """Asks the servers, until one of them told or all have said that they do not tell.

        Takes `seconds` at most; what was not told by then is asked for later.
        """
        if not self._servers or self._rests():
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._lock:
                if not self._rests():  # another call may have asked meanwhile
                    await self._asked()

    def _rests(self) -> bool:
        return asyncio.get_running_loop().time() < self._rests_until

    async def _asked(self) -> None:
        away = False
        for wire in list(self._servers):
            try:
                told = await from_server(wire)
            except FairleadError:
                away = True
                continue
            self._servers.remove(wire)
            if told is not None:
                self._servers.clear()
                self._tokens |= told
                self.broken = breaking(self._tokens)
                return
        if away:
            self._rests_until = asyncio.get_running_loop().time() + REST


async def from_server(wire: Wire, *, seconds: float = WAITING) -> frozenset[str] | None:
    """What the server's tokenizer declares; None where it does not tell."""
    status, data = await wire.get(_INFO, seconds=seconds, root=True)
    if status != 200:
        return None
    try:
        return frozenset(declared(orjson.loads(data)))
    except orjson.JSONDecodeError:
        return None


def declared(config: Any) -> set[str]:
    """Special and added tokens in any of the forms that tokenizer files have."""
    if not isinstance(config, dict):
        return set()
    found: set[str] = set()
    added = config.get("added_tokens") or []
    decoder = config.get("added_tokens_decoder") or {}
    for entry in [*added, *(decoder.values() if isinstance(decoder, dict) else ())]:
        content = entry.get("content") if isinstance(entry, dict) else None
        if isinstance(content, str) and (entry.get("special") or _MARKUP & set(content)):
            found.add(content)  # not the ordinary words that some vocabularies add
    for key, value in config.items():
        if key.endswith("_token") or key in ("additional_special_tokens", "extra_special_tokens"):
            found |= _strings(value)
    return found


def _strings(value: Any) -> set[str]:
    if isinstance(value, str):
        return {value}
    if isinstance(value, dict):
        content = value.get("content")
        return {content} if isinstance(content, str) else _strings(list(value.values()))
    if isinstance(value, list):
        return {text for each in value for text in _strings(each)}
    return set()
