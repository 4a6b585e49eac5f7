"""What a machine is made of."""

from dataclasses import dataclass, field

from fairlead.agents import Entailment
from fairlead.agents.mending import Judge
from fairlead.graphs.journey import Journeys
from fairlead.protocols import Answerer, Planner, Searcher, ToolCatalog, Verdicts
from fairlead.schema import Principal
from fairlead.settings import Settings
from fairlead.tracing import Tracing


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Everything the nodes use. The same parts may serve many runs at once."""

    planner: Planner
    answerer: Answerer
    searcher: Searcher
    tools: ToolCatalog
    tracing: Tracing
    settings: Settings = field(default_factory=Settings)
    entailment: Entailment | Judge | None = None
    """Judges whether a model's sentences follow from what they cite; None leaves it to words."""
    verdicts: Verdicts | None = None
    """Is told what the verifier finds in answers by an adapter."""
    principal: Principal | None = None
    """For runs whose config names none; None refuses them."""
    agent: str = "fairlead"
    """The agent's name on spans."""
    journeys: Journeys = field(default_factory=Journeys)
