"""Who a graph run is for: taken from the run's config, never from its input."""

from langchain_core.runnables import RunnableConfig

from fairlead.errors import Refused
from fairlead.schema import Principal

KEY = "fairlead_principal"


def principal_of(config: RunnableConfig, default: Principal | None) -> Principal:
    """The principal in `configurable`, else `default`. Raises `Refused` where there is neither."""
    found = config.get("configurable", {}).get(KEY, default)
    if isinstance(found, Principal):
        return found
    if found is None:
        raise Refused(
            "no principal: nobody may run this graph anonymously",
            hint="Pass config={'configurable': {'fairlead_principal': Principal(tenant=…)}}, "
            "or Assistant.open(…, principal=…).",
        )
    raise Refused(
        f"configurable.{KEY} is a {type(found).__name__!r}, not a Principal",
        hint="Build it with fairlead.Principal(tenant=…, subject=…).",
    )
