"""robots.txt, asked once per host and run (RFC 9309)."""

from collections.abc import Callable
from typing import Final

from protego import Protego

from fairlead.retrieval.loaders.loaded import Malformed
from fairlead.retrieval.web.addresses import Target
from fairlead.retrieval.web.answers import Refused

AGENT: Final = "fairlead"
_READ: Final = 512 * 1024
"""Bytes of a robots.txt that are read; the standard asks for 500 KiB at least."""
_LONGEST_DELAY: Final = 10.0
_TOO_MANY: Final = 429


class Robots:
    """What hosts ask of robots. `fetch` reads a URL and raises `Malformed` where it cannot."""

    def __init__(self, fetch: Callable[[str], bytes]) -> None:
        self._fetch = fetch
        self._known: dict[str, Protego | str] = {}

    def check(self, wanted: Target) -> float:
        """Seconds to wait between pages of the host. Raises `Malformed` where it says no.

        A host without a robots.txt allows everything, one that cannot be asked nothing.
        """
        rules = self._known.get(wanted.origin)
        if rules is None:
            rules = self._known[wanted.origin] = self._asked(wanted.origin)
        if isinstance(rules, str):
            raise Malformed(f"is not fetched, since robots.txt of {wanted.host!r} {rules}")
        if not rules.can_fetch(wanted.url, AGENT):
            raise Malformed(f"is not fetched: robots.txt of {wanted.host!r} disallows it")
        return min(float(rules.crawl_delay(AGENT) or 0.0), _LONGEST_DELAY)

    def _asked(self, origin: str) -> Protego | str:
        """The rules, or why there are none and nothing may be fetched."""
        try:
            text = self._fetch(f"{origin}/robots.txt")[:_READ].decode("utf-8", "replace")
        except Refused as error:
            absent = 400 <= error.status < 500 and error.status != _TOO_MANY
            return Protego.parse("") if absent else str(error)
        except Malformed as error:
            return str(error)
        return Protego.parse(text.removeprefix("\ufeff"))
