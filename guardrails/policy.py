"""What a tool call may do, decided from its declaration and the settings alone."""

from collections.abc import Collection
from typing import Final

from fairlead.schema import ToolSpec, Verdict

FREE: Final = frozenset({"read", "egress"})
"""Effects that need no permission."""


def decide(spec: ToolSpec, *, allow: Collection[str]) -> Verdict:
    """Whether `spec` may be called. `allow` is the setting `[policy] allow`: names of tools.

    Covers: `read` and `egress` run; every other effect, and any effect this version does not know,
    is blocked unless the tool is named. Does not cover: what the arguments hold, who supplied them
    or where an `egress` call sends them. A tool that is allowed is allowed with any arguments.
    """
    if spec.effect in FREE:
        return Verdict(action="allow", reason=f"{spec.name!r} has the effect {spec.effect!r}")
    if spec.name in allow:
        return Verdict(action="allow", reason=f"{spec.name!r} stands in [policy] allow")
    return Verdict(
        action="block",
        reason=(
            f"{spec.name!r} has the effect {spec.effect!r}, which needs permission: "
            f"add {spec.name!r} to `allow` under [policy] in fairlead.toml to let it run"
        ),
    )
