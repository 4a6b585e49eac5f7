"""Moments as they are stored: RFC 3339 in UTC."""

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

from fairlead.errors import InputError


def utc(moment: datetime) -> str:
    """RFC 3339 in UTC; a time without a zone is taken as UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")


def stamp(moment: datetime) -> str:
    """The same with microseconds always, so that stamps order as strings."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> datetime:
    """A date or time in ISO form (UTC where it names no zone). Raises `InputError` for others."""
    try:
        moment = datetime.fromisoformat(text.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InputError(
            f"{text!r} is no date or time", hint="Write it like 2026-03-01 or 2026-03-01T12:00:00Z."
        ) from None


def until(expires: "datetime | date | str | None") -> str:
    """When a document expires, as stored; empty for never. A date means the start of that day."""
    if expires is None:
        return ""
    if isinstance(expires, str):
        return stamp(parse_time(expires))
    if not isinstance(expires, datetime):
        expires = datetime(expires.year, expires.month, expires.day, tzinfo=UTC)
    return stamp(expires)


def seconds(stamped: str) -> float:
    """A stored moment in seconds since 1970."""
    return datetime.fromisoformat(stamped).timestamp()


def ending(valid_until: str, seen_at: str, max_age_days: float | None) -> str:
    """When a document is over, as stored: at its own end, or so long after it was last seen.

    Empty for never.
    """
    ends = [valid_until] if valid_until else []
    if seen_at and max_age_days is not None:
        with suppress(OverflowError):  # so far away that it is never
            ends.append(stamp(parse_time(seen_at) + timedelta(days=max_age_days)))
    return min(ends, default="")
