"""What people and guards do to versions: add, score, approve, promote, canary, roll back.

`promote` to stable asks for what `[rollout]` demands: the scores of the gates, and approvals of
people other than the one who added the version. Rolling back asks for nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.errors import CheckFailed, InputError, Refused
from fairlead.model_sections import Rollout
from fairlead.schema import Json
from fairlead.serving.adapters.content import ContentStore
from fairlead.serving.adapters.digest import checked_name
from fairlead.serving.adapters.records import AdapterCard
from fairlead.serving.adapters.registry import Registry
from fairlead.serving.adapters.stages import Stage, check_move

if TYPE_CHECKING:  # it reads weights, which takes numpy
    from fairlead.serving.adapters.admission import Admitted
    from fairlead.serving.adapters.bases import Base

ACTOR_LIMIT = 200


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One score that `[rollout.gates]` asks for."""

    metric: str
    least: float
    found: float | None
    """None where nobody recorded it."""

    @property
    def green(self) -> bool:
        return self.found is not None and self.found >= self.least


@dataclass(frozen=True, kw_only=True)
class Readiness:
    """What stands between a version and being stable."""

    gates: tuple[Gate, ...]
    approvers: tuple[str, ...]
    """Who approved it, without the one who added it."""
    needed: int

    @property
    def ready(self) -> bool:
        return all(gate.green for gate in self.gates) and len(self.approvers) >= self.needed


def examine_folder(folder: Path, base: "Base", rollout: Rollout) -> "Admitted":
    """What `add` would take, without storing anything. Raises `AdapterRefused` as it would."""
    return _admitted(folder, base, rollout, None)


def add(
    registry: Registry,
    rollout: Rollout,
    folder: Path,
    *,
    name: str,
    base: "Base",
    by: str,
    data_digest: str = "",
    card: Mapping[str, Json] | None = None,
    why: str = "",
) -> tuple[AdapterCard, bool]:
    """Admits the adapter in `folder` as the next draft of `name`; False where it is there already.

    Raises `AdapterRefused` with every reason; nothing was stored then.
    """
    checked_name(name)
    _check_actor(by)
    admitted = _admitted(folder, base, rollout, registry.store)
    return registry.add(name, admitted, by=by, data_digest=data_digest, card=card, why=why)


def readiness(registry: Registry, rollout: Rollout, card: AdapterCard) -> Readiness:
    """What `[rollout]` asks of a version before it is stable, and what of it is there."""
    gates = tuple(
        Gate(metric=metric, least=least, found=card.scores.get(metric))
        for metric, least in sorted(rollout.gates.items())
    )
    people = [each.actor for each in registry.approvals(card) if each.actor != card.added_by]
    return Readiness(gates=gates, approvers=tuple(people), needed=rollout.approvals)


def promote(
    registry: Registry, rollout: Rollout, card: AdapterCard, to: Stage, *, by: str, why: str = ""
) -> AdapterCard:
    """The version in its new stage; its content is read again first.

    Raises `InputError` for an illegal move, `CheckFailed` where a gate is not met or the content
    was changed, `Refused` where approvals are missing. A canary starts by `start_canary`.
    """
    _check_actor(by)
    if to == "canary":
        raise InputError(
            f"{card.label!r} needs a share to be a canary",
            hint=f"`fairlead adapters canary {card.label} --share 10`.",
        )
    if to != "retired":
        registry.store.check(card.digest)
    with registry.changing():
        card = registry.get(card.name, card.version)
        detail: dict[str, Json] = {}
        if to == "stable":
            check_move(card.label, card.stage, to)
            detail = _allowed(card, readiness(registry, rollout, card))
        return registry.move(card, to, by=by, why=why, detail=detail)


def start_canary(
    registry: Registry,
    rollout: Rollout,
    card: AdapterCard,
    share: float | None = None,
    *,
    by: str,
    why: str = "",
) -> AdapterCard:
    """The version answering `share` percent of new conversations, or the next of `rollout.steps`.

    A canary gets the new share. Raises `InputError` for an illegal move or a share that is none,
    `CheckFailed` where the content was changed.
    """
    _check_actor(by)
    registry.store.check(card.digest)
    with registry.changing():
        card = registry.get(card.name, card.version)
        share = _next_step(card, rollout) if share is None else share
        if not 0 < share < 100:
            raise InputError(
                f"a share of {share:g} percent is none",
                hint="Give more than 0 and less than 100: the rest is what it is compared with.",
            )
        if card.stage == "canary":
            return registry.set_share(card, share, by=by, why=why)
        return registry.move(card, "canary", by=by, why=why, share=share, detail={"share": share})


def approve(registry: Registry, card: AdapterCard, *, by: str, note: str = "") -> None:
    """Records that a person approves this content.

    Raises `Refused` for the one who added it: four eyes see more than two. `InputError` for a
    version whose stage no approval could change.
    """
    _check_actor(by)
    if by == card.added_by:
        raise Refused(
            f"{by!r} added {card.label!r} and cannot approve it", hint="Ask somebody else."
        )
    if card.stage not in ("draft", "candidate", "canary"):
        raise InputError(f"{card.label!r} is {card.stage}: there is nothing to approve")
    registry.approve(card, by=by, note=note)


def roll_back(
    registry: Registry,
    name: str,
    *,
    by: str,
    why: str = "",
    detail: Mapping[str, Json] | None = None,
) -> tuple[AdapterCard, AdapterCard | None]:
    """Ends the canary, or makes the version before the stable one stable again.

    Returns what was rolled back and what is stable now. What was rolled back gets no thread any
    more, not even those that began on it. Raises what `Registry.roll_back` raises.
    """
    _check_actor(by)
    return registry.roll_back(name, by=by, why=why, detail=detail)


def _admitted(
    folder: Path, base: "Base", rollout: Rollout, store: ContentStore | None
) -> "Admitted":
    from fairlead.serving.adapters.admission import admit  # noqa: PLC0415 - numpy, 60 ms
    from fairlead.serving.adapters.weights import Limits  # noqa: PLC0415 - the same

    limits = Limits(rank=rollout.max_rank, norm=rollout.max_norm, megabytes=rollout.max_megabytes)
    return admit(folder, base=base, limits=limits, store=store)


def _allowed(card: AdapterCard, found: Readiness) -> dict[str, Json]:
    """Who and what let it be stable, for the history."""
    red = [gate for gate in found.gates if not gate.green]
    if red:
        said = ", ".join(
            f"{gate.metric} is {'not recorded' if gate.found is None else f'{gate.found:g}'}"
            f" and must be at least {gate.least:g}"
            for gate in red
        )
        raise CheckFailed(
            f"{card.label!r} does not pass its gates: {said}",
            hint="See [rollout.gates]: an evaluation of this version has to record such scores.",
        )
    if len(found.approvers) < found.needed:
        have = f" ({', '.join(found.approvers)})" if found.approvers else ""
        raise Refused(
            f"{card.label!r} has {len(found.approvers)}{have} of {found.needed} approvals",
            hint=f"Others than {card.added_by!r}: `fairlead adapters approve {card.label}`.",
        )
    return {
        "approvers": list(found.approvers),
        "gates": {gate.metric: [gate.found, gate.least] for gate in found.gates},
    }


def _next_step(card: AdapterCard, rollout: Rollout) -> float:
    now = card.share if card.stage == "canary" else 0.0
    step = next((each for each in sorted(rollout.steps) if each > now), None)
    if step is None:
        raise InputError(
            f"{card.label!r} answers {now:g} percent, and rollout.steps has no more",
            hint=f"Name a share, or `fairlead adapters promote {card.label} --to stable`.",
        )
    return step


def _check_actor(by: str) -> None:
    if not by.strip() or not by.isprintable() or len(by) > ACTOR_LIMIT:
        raise InputError(f"{by!r:.80} is nobody's name", hint="Say who you are with --by NAME.")
