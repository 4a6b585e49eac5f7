"""Fetching one page: redirects by hand, robots asked, what may pass tried again."""

import http.client
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from fairlead.retrieval.loaders.loaded import Malformed
from fairlead.retrieval.records import Validators
from fairlead.retrieval.web.addresses import (
    Resolver,
    Target,
    addresses,
    redirected,
    resolved,
    target,
)
from fairlead.retrieval.web.answers import Page, Passing, Refused, page
from fairlead.retrieval.web.connections import Deadline, Late, PinnedConnection
from fairlead.retrieval.web.robots import AGENT, Robots

_HEADERS: Final = {
    "User-Agent": AGENT,
    "Accept": "text/html, application/xhtml+xml, text/*;q=0.9, application/*;q=0.8, */*;q=0.1",
    "Accept-Encoding": "gzip, deflate",
    "Connection": "close",
}
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_between_tries: Final = wait_random_exponential(multiplier=0.5, max=8)


@dataclass(frozen=True, kw_only=True)
class FetchLimits:
    """How much one page may cost."""

    bytes: int = 32 * 2**20
    """Of the body, packed and unpacked."""
    seconds: float = 60.0
    """For the whole fetch: redirects, tries and the waits between them."""
    wait: float = 15.0
    """Seconds for each connection and read."""
    redirects: int = 5
    tries: int = 3


class Fetcher:
    """Fetches pages for one run, one at a time. `allow_hosts` are hosts that may be private.

    Only GET, without cookies, credentials or proxies. `resolve` and `sleep` can be replaced.
    """

    def __init__(
        self,
        allow_hosts: Sequence[str] = (),
        *,
        limits: FetchLimits | None = None,
        resolve: Resolver = resolved,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._allow_hosts = tuple(allow_hosts)
        self._limits = limits or FetchLimits()
        self._resolve = resolve
        self._sleep = sleep
        self._places: dict[Target, list[str]] = {}
        self._last: dict[str, float] = {}
        self._tls: ssl.SSLContext | None = None
        self._robots = Robots(self._unasked)

    def fetch(self, url: str, validators: Validators | None = None) -> Page:
        """The page at a URL, or that it is what it was when it came with those validators.

        Raises `Malformed` with the reason for the report; `Gone` where there is no such page.
        """
        return self._tried(url, validators, asking=True)

    def _unasked(self, url: str) -> bytes:
        """A robots.txt itself, for which no robots.txt is asked."""
        return self._tried(url, None, asking=False).data or b""

    def _tried(self, url: str, validators: Validators | None, *, asking: bool) -> Page:
        wanted = target(url, self._allow_hosts)
        deadline = Deadline(self._limits.seconds, self._limits.wait)
        tries = Retrying(
            retry=retry_if_exception_type(Passing),
            stop=partial(self._given_up, deadline),
            wait=_pause,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return tries(self._followed, wanted, validators, deadline, asking=asking)
        except Passing as error:
            raise Refused(error.status, f"cannot be fetched: {error}") from None
        except Late:
            seconds = f"{self._limits.seconds:g}"
            raise Malformed(f"cannot be fetched: it took longer than {seconds} seconds") from None

    def _given_up(self, deadline: Deadline, state: RetryCallState) -> bool:
        enough = state.attempt_number >= self._limits.tries
        return enough or state.upcoming_sleep >= deadline.left()

    def _followed(
        self, wanted: Target, validators: Validators | None, deadline: Deadline, *, asking: bool
    ) -> Page:
        for _ in range(self._limits.redirects + 1):
            self._locate(wanted)
            if asking:
                deadline.extend(self._polite(wanted))
            answer = self._asked(wanted, validators, deadline)
            if isinstance(answer, Page):
                return answer
            wanted = redirected(wanted, answer, self._allow_hosts)
        raise Malformed(f"redirects more than {self._limits.redirects} times")

    def _locate(self, wanted: Target) -> list[str]:
        """Where the host is: asked once and kept, so that its name cannot come to mean another."""
        place = replace(wanted, path="")
        if place not in self._places:
            self._places[place] = addresses(wanted, self._resolve)
        return self._places[place]

    def _polite(self, wanted: Target) -> float:
        """Asks robots.txt and waits as long as it wants; the seconds that took."""
        begun = time.monotonic()
        delay = self._robots.check(wanted)
        last = self._last.get(wanted.origin)
        if last is not None and (rest := last + delay - time.monotonic()) > 0:
            self._sleep(rest)
        self._last[wanted.origin] = time.monotonic()
        return self._last[wanted.origin] - begun

    def _asked(
        self, wanted: Target, validators: Validators | None, deadline: Deadline
    ) -> Page | str:
        """One request: the page, or where else to look."""
        if wanted.scheme == "https" and self._tls is None:
            self._tls = ssl.create_default_context()
        connection = PinnedConnection(wanted, self._locate(wanted), deadline, self._tls)
        headers = {**_HEADERS, "Host": wanted.origin.partition("//")[2]}
        if validators is not None and validators.url == wanted.url:
            headers |= _conditions(validators)
        try:
            connection.request("GET", wanted.path, headers=headers)
            response = connection.getresponse()
            location = response.headers.get("Location")
            if response.status in _REDIRECTS and location:
                return location
            return page(wanted, response, self._limits.bytes)
        except Late:
            raise
        except ssl.SSLError as error:
            said = getattr(error, "verify_message", "") or error.reason or "no reason given"
            raise Malformed(f"cannot be fetched: TLS with {wanted.host!r} failed: {said}") from None
        except TimeoutError:
            raise Passing(f"{wanted.host!r} does not answer in time") from None
        except (OSError, http.client.IncompleteRead) as error:
            raise Passing(getattr(error, "strerror", None) or str(error)) from None
        except http.client.HTTPException as error:
            said = type(error).__name__
            raise Malformed(f"cannot be fetched: the answer is no HTTP ({said})") from None
        finally:
            connection.release()


def _conditions(validators: Validators) -> dict[str, str]:
    said = {"If-None-Match": validators.etag, "If-Modified-Since": validators.last_modified}
    return {name: text for name, text in said.items() if text and text.isprintable()}


def _pause(state: RetryCallState) -> float:
    """What the server asked for, else longer with each try."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.after if isinstance(error, Passing) else None
    return asked if asked is not None else float(_between_tries(state))
