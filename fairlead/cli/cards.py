"""How a version of an adapter is shown, and what a person tells of one."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.cli.output import document, fields_of, table, warn
from fairlead.errors import InputError

if TYPE_CHECKING:
    from fairlead.schema import Json
    from fairlead.serving.adapters import AdapterCard
    from fairlead.serving.adapters.admission import Admitted
    from fairlead.serving.adapters.records import HistoryEntry

SCHEMA = "fairlead.adapters/1"


def card_fields(card: "AdapterCard") -> Mapping[str, object]:
    """As JSON documents have it."""
    return {**fields_of(card), "served_name": card.served_name}


def card_stage(card: "AdapterCard") -> str:
    """Its stage, and why it is no longer served where that is not the stage's doing."""
    extra = "removed" if card.removed else "rolled back" if card.condemned else ""
    return f"{card.stage}, {extra}" if extra else card.stage


def card_row(card: "AdapterCard") -> tuple[str, ...]:
    """Its line in a table: name and version, stage, share, digest, base, scores."""
    scores = ", ".join(f"{name} {value:g}" for name, value in card.scores.items())
    share = f"{card.share:g} %" if card.share else ""
    return (card.label, card_stage(card), share, card.digest[:12], card.base, scores)


def tell_history(history: "Sequence[HistoryEntry]") -> None:
    """Prints lines of the history."""
    rows = [
        (
            each.at,
            each.actor,
            f"{each.name}@{each.version}",
            each.action,
            each.why,
            said(each.detail),
        )
        for each in history
    ]
    table(("at", "who", "adapter", "what", "why", "detail"), rows)


def show_draft(name: str, admitted: "Admitted", *, as_json: bool) -> None:
    """Prints what `add` would take."""
    warn(*(f"{name}: {flag}" for flag in admitted.examined.flags))
    fields = {
        "name": name,
        "version": None,
        "digest": admitted.digest,
        "base": admitted.base.name,
        "base_digest": admitted.base.digest,
        "stage": None,
        "rank": admitted.config.rank,
        "targets": admitted.config.targets,
        "modules": admitted.examined.modules,
        "largest_norm": admitted.examined.largest,
        "flags": admitted.examined.flags,
    }
    if as_json:
        document(SCHEMA, adapter=fields, added=False, dry_run=True)
    else:
        table(("", ""), [(key, said(value)) for key, value in fields.items()])


def read_card(path: Path | None) -> "dict[str, Json] | None":
    """The JSON object in a file. Raises `InputError` where there is none."""
    if path is None:
        return None
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"cannot read the card {str(path)!r}: {error}") from error
    if not isinstance(told, dict):
        raise InputError(f"the card {str(path)!r} is no JSON object")
    card: dict[str, Json] = told
    return card


def said(value: object) -> str:
    """A value in one line, numbers shortened."""
    if value is None or value == "":
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {said(each)}" for name, each in value.items() if said(each))
    if isinstance(value, list | tuple):
        return ", ".join(map(said, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
