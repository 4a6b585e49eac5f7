"""What a model server's address, key and refusals mean, in our words; shared by all clients."""

import time
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from fairlead.errors import BadReply, FairleadError, SettingsError, Unavailable

_BUSY: Final = frozenset({408, 425, 429})
_ABSENT: Final = frozenset({404, 405, 501})
_LATER: Final = "Try again later, or look at the server."


class Passing(Unavailable):
    """May pass. `after`: seconds that the server asks to wait; `busy`: it is there, and full."""

    def __init__(self, message: str, *, after: float = 0.0, busy: bool = False) -> None:
        super().__init__(message, hint=_LATER)
        self.after = after
        self.busy = busy


class Absent(SettingsError):
    """The server has no such path, or none for this model (404, 405, 501)."""


class Garbled(BadReply):
    """An answer that came to harm on its way, before anything of it was used; may pass."""


def address(url: str) -> tuple[str, str, int | None, str]:
    """Scheme, host, port and path. Raises `SettingsError` for what is no server's address."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    if parts.username is not None:
        raise SettingsError(
            f"the address of {host!r} holds a user name",
            hint="Give a key by reference: api_key = { env = … }.",
        )
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise SettingsError(
            f"{url!r} is not the address of a server", hint="Write it as http://host:port/v1."
        )
    return parts.scheme, host, port, parts.path.rstrip("/")


def checked_key(url: str, api_key: str) -> str:
    """The key without white space around it. Raises `SettingsError` for what can be none."""
    api_key = api_key.strip()
    if not (api_key.isascii() and api_key.isprintable()):
        raise SettingsError(
            f"the key for {url!r} holds characters that no key has",
            hint="Look for a line break or a quotation mark in its variable.",
        )
    return api_key


def refusal(
    where: str, status: int, data: bytes, *, after: str = "", key: str = ""
) -> FairleadError:
    """What an answer other than 200 means.

    `Passing` for 408, 425, 429 and 5xx but 501, with what `after` (a Retry-After header) asks;
    `SettingsError` for the rest, which does not pass by itself, `Absent` among it. The key is never
    shown.
    """
    if status in (401, 403):
        return SettingsError(
            f"{where} refused the key ({status})" if key else f"{where} wants a key",
            hint="Set api_key = { env = … } of the model to the variable that holds its key.",
        )
    reason = _reason(data)
    if key:  # a server may repeat what it was sent
        reason = reason.replace(key, "(hidden)")
    message = f"{where} answered {status}{f': {reason[:200]}' if reason else ''}"
    if status in _BUSY or (status >= 500 and status not in _ABSENT):
        return Passing(message, after=seconds_asked(after), busy=status == 429)
    kind = Absent if status in _ABSENT else SettingsError
    return kind(message, hint="Check the model's url, which mostly ends with /v1, and its name.")


def not_json(where: str, kind: str) -> SettingsError:
    """An answer of another type, such as a proxy's HTML page."""
    return SettingsError(
        f"{where} did not answer with JSON but with {kind or 'no type'!r}",
        hint="Set the url to the address of the API, which mostly ends with /v1.",
    )


def untrusted_certificate(url: str, said: str) -> SettingsError:
    return SettingsError(
        f"{url} has no certificate that is trusted here: {said}",
        hint="Add its authority to the system's, or name it in SSL_CERT_FILE.",
    )


def seconds_asked(said: str) -> float:
    """Seconds of a Retry-After, which is a number or a date; 0 without one that can be read."""
    said = said.strip()
    if said.isdecimal():
        return float(said)
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    except ValueError:
        return 0.0


def _reason(data: bytes) -> str:
    """The first line of what an error's JSON says, where there is one."""
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        return ""
    return reason_of(found)


def reason_of(found: Any) -> str:
    """The first line of what an error's JSON object says; empty where it says nothing."""
    for name in ("error", "message", "detail"):
        if isinstance(found, dict) and name in found:
            found = found[name]
    return found.partition("\n")[0] if isinstance(found, str) else ""
