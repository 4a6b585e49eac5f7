"""What comes of asking a server: a page, or one of the ways in which there is none."""

import http.client
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from fairlead.retrieval.loaders.loaded import Malformed
from fairlead.retrieval.records import Validators
from fairlead.retrieval.times import utc
from fairlead.retrieval.web.addresses import Target
from fairlead.retrieval.web.bodies import body

_PASSING: Final = (408, 425, 429)
_GONE: Final = (404, 410)
_LOCKED: Final = (401, 403, 407)


@dataclass(frozen=True, kw_only=True)
class Page:
    """What a server gave; `data` is None when the page is what it was (304)."""

    data: bytes | None
    content_type: str
    """Empty where the server names none."""
    charset: str
    validators: Validators
    fetched_at: str

    def last_modified(self) -> str:
        """The server's word on when it changed, RFC 3339; empty where it says nothing."""
        moment = _moment(self.validators.last_modified)
        return utc(moment) if moment else ""


class Refused(Malformed):
    """The server gave no page; `status` is 0 where it said nothing."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Gone(Refused):
    """The server says that there is no such page (404, 410)."""


class Passing(Exception):
    """A failure that may be over at the next try; `after` is when the server suggests that."""

    def __init__(self, reason: str, *, after: float | None = None, status: int = 0) -> None:
        super().__init__(reason)
        self.after = after
        self.status = status


def page(wanted: Target, response: http.client.HTTPResponse, limit: int) -> Page:
    """The page in a response. Raises `Malformed`, `Refused`, `Gone`, `Passing`."""
    if response.status not in (200, 304):
        raise _failure(response)
    headers = response.headers
    return Page(
        data=None if response.status == 304 else body(response, limit),
        content_type=headers.get_content_type() if "Content-Type" in headers else "",
        charset=headers.get_content_charset() or "",
        validators=Validators(
            url=wanted.url,
            etag=headers.get("ETag", "").strip(),
            last_modified=headers.get("Last-Modified", "").strip(),
        ),
        fetched_at=utc(datetime.now(UTC).replace(microsecond=0)),
    )


def _failure(response: http.client.HTTPResponse) -> Exception:
    status = response.status
    said = f"{status} {' '.join(response.reason.split())[:60]}".strip()
    if status in _GONE:
        return Gone(status, f"is not there: the server answers {said}")
    if status in _PASSING or status >= 500:
        return Passing(f"the server answers {said}", after=_seconds(response), status=status)
    if status in _LOCKED:
        return Refused(status, f"is not open to everybody: the server answers {said}")
    return Refused(status, f"cannot be fetched: the server answers {said}")


def _seconds(response: http.client.HTTPResponse) -> float | None:
    """What a `Retry-After` asks for."""
    said = response.headers.get("Retry-After", "").strip()
    if said.isdecimal():
        return float(said[:9])
    moment = _moment(said)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds()) if moment else None


def _moment(said: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(said)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
