"""Names: one table, and nothing is emitted that does not stand in it."""

import re
from collections.abc import Callable

from fairlead.tracing import Span, TraceReader, Tracing, names

SHAPE = re.compile(r"(fairlead|gen_ai|db|error|server)(\.[a-z][a-z0-9_]*)+")


def test_every_attribute_is_well_formed_and_in_a_known_namespace() -> None:
    assert len(names.ATTRIBUTES) > 40
    for name in names.ATTRIBUTES:
        assert SHAPE.fullmatch(name), name
    assert names.CONTENT < names.ATTRIBUTES


def test_the_public_names_stand() -> None:
    public = """
        fairlead.run.id fairlead.tenant fairlead.hop.index fairlead.decision
        fairlead.decision.reason fairlead.guard.action fairlead.guard.stage fairlead.guard.findings
        fairlead.lora.name fairlead.lora.version fairlead.lora.digest fairlead.route
        fairlead.attempt fairlead.checkpoint.id fairlead.retrieval.passages
    """
    assert set(public.split()) <= names.ATTRIBUTES
    assert names.SCOPE == "fairlead"


def test_spans_are_named_as_promised_and_carry_what_is_required() -> None:
    required = {
        "invoke_agent helpdesk": names.invoke_agent(agent="helpdesk", run_id="r", tenant="t"),
        "fairlead.hop 2": names.hop(2),
        "plan helpdesk": names.plan("helpdesk"),
        "retrieval docs": names.retrieval("docs", top_k=8),
        "embeddings minilm": names.embeddings("minilm"),
        "hybrid docs": names.database("hybrid", "docs", system="sqlite", tenant="t"),
        "execute_tool clock": names.execute_tool("clock"),
        "apply_guardrail passages": names.guardrail("passages", stage="context"),
        "chat base": names.chat("base", provider="vllm"),
    }
    for expected, (name, attributes) in required.items():
        assert name == expected
        assert attributes.keys() <= names.ATTRIBUTES
        operation = attributes.get(names.OPERATION)
        assert operation in (None, name.partition(" ")[0])
        assert all(value != "" for value in attributes.values())


def test_a_thread_that_nobody_named_is_no_conversation() -> None:
    _, attributes = names.invoke_agent(agent="a", run_id="r", tenant="t")
    assert names.CONVERSATION not in attributes


def test_a_whole_run_emits_known_names_only(
    tracing: Tracing, reader: TraceReader, scripted: Callable[..., Span]
) -> None:
    scripted(tracing)
    for span in reader.trace("last").spans:
        assert span.attributes.keys() <= names.ATTRIBUTES, span.name
