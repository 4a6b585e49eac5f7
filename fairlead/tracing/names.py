"""Every span and attribute name that Fairlead emits, and the attributes each span starts with.

`gen_ai.*` follows the OpenTelemetry GenAI conventions (development status;
open-telemetry/semantic-conventions-genai at commit 024a4f94, the guardrail draft at f5e3733b),
`db.*` and `error.type` the stable conventions, `fairlead.*` is ours. What a sampler may look at is
given at span start.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

AttributeValue: TypeAlias = str | bool | int | float | Sequence[str]
Start: TypeAlias = tuple[str, Mapping[str, AttributeValue]]
"""A span's name and the attributes it starts with."""

SCOPE = "fairlead"
"""The instrumentation scope of every span."""

# --- ours ----------------------------------------------------------------------------------------

RUN_ID = "fairlead.run.id"
TENANT = "fairlead.tenant"
STATUS = "fairlead.status"
"""How the run came out: a status of `Answer`."""
HOPS = "fairlead.hops"
HOP_INDEX = "fairlead.hop.index"
HOP_DETAIL = "fairlead.hop.detail"
DECISION = "fairlead.decision"
DECISION_REASON = "fairlead.decision.reason"
DECISION_PROBABILITY = "fairlead.decision.probability"
GUARD_ACTION = "fairlead.guard.action"
"""`allow`, `transform`, `approve` or `block`: a verdict, never an error."""
GUARD_STAGE = "fairlead.guard.stage"
GUARD_FINDINGS = "fairlead.guard.findings"
GUARD_REASON = "fairlead.guard.reason"
LORA_NAME = "fairlead.lora.name"
LORA_VERSION = "fairlead.lora.version"
LORA_DIGEST = "fairlead.lora.digest"
REPLICA = "fairlead.replica"
"""A model server, by its address."""
ADAPTERS_COMPLETE = "fairlead.adapters.complete"
"""Whether every server has what the registry says."""
ADAPTERS_AWAY = "fairlead.adapters.away"
"""Model servers that did not answer."""
ADAPTERS_ERRORS = "fairlead.adapters.errors"
"""How many loads and unloads failed, and servers that did not answer."""
ROLLOUT_GUARD = "fairlead.rollout.guard"
"""The metric by which a canary was sent back."""
ROLLOUT_TEST = "fairlead.rollout.test"
"""`comparison` with the stable version, or `limit`."""
ROLLOUT_E_VALUE = "fairlead.rollout.e_value"
ROLLOUT_THRESHOLD = "fairlead.rollout.threshold"
ROLLOUT_CANARY_BAD = "fairlead.rollout.canary.bad"
ROLLOUT_CANARY_SEEN = "fairlead.rollout.canary.seen"
ROLLOUT_STABLE_BAD = "fairlead.rollout.stable.bad"
ROLLOUT_STABLE_SEEN = "fairlead.rollout.stable.seen"
ROUTE = "fairlead.route"
ROUTE_REASON = "fairlead.route.reason"
"""Why this model was asked."""
ROUTE_FALL = "fairlead.route.fall"
"""Why the model before it did not answer."""
ATTEMPT = "fairlead.attempt"
"""Which try this is, from 1."""
PROMPT_VERSION = "fairlead.prompt.version"
"""The first 12 hexadecimal digits of the SHA-256 of the prompt's own text."""
CHECKPOINT_ID = "fairlead.checkpoint.id"
RETRIEVAL_PASSAGES = "fairlead.retrieval.passages"
"""One string per passage: id, score, source, hash; never text."""
TEXTS = "fairlead.rerank.texts"
"""How many texts were rated."""
RETRIEVAL_CONFIDENCE = "fairlead.retrieval.confidence"
RETRIEVAL_STAGE = "fairlead.retrieval.stage"
"""A stage of a search, such as `fuse`."""
CACHE = "fairlead.cache"
"""`hit`, `miss` or `stale`: whether a result was made before."""
TOOL_EFFECT = "fairlead.tool.effect"
REPLAYED = "fairlead.tool.replayed"
ENDED = "fairlead.ended"
"""`cancelled` or `interrupted`, where control flow and not completion ended the span."""
QUESTION = "fairlead.question"
ANSWER = "fairlead.answer"

# --- the conventions' ----------------------------------------------------------------------------

OPERATION = "gen_ai.operation.name"
AGENT = "gen_ai.agent.name"
CONVERSATION = "gen_ai.conversation.id"
DATA_SOURCE = "gen_ai.data_source.id"
TOP_K = "gen_ai.retrieval.top_k"
RETRIEVAL_QUERY = "gen_ai.retrieval.query.text"
RETRIEVAL_DOCUMENTS = "gen_ai.retrieval.documents"
TOOL = "gen_ai.tool.name"
TOOL_TYPE = "gen_ai.tool.type"
TOOL_CALL_ID = "gen_ai.tool.call.id"
TOOL_ARGUMENTS = "gen_ai.tool.call.arguments"
TOOL_RESULT = "gen_ai.tool.call.result"
PROVIDER = "gen_ai.provider.name"
MODEL = "gen_ai.request.model"
RESPONSE_MODEL = "gen_ai.response.model"
FINISH_REASONS = "gen_ai.response.finish_reasons"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHED_TOKENS = "gen_ai.usage.cache_read.input_tokens"
INPUT_MESSAGES = "gen_ai.input.messages"
OUTPUT_MESSAGES = "gen_ai.output.messages"
GUARDRAIL = "gen_ai.guardrail.component.name"
SERVER = "server.address"
SERVER_PORT = "server.port"
STREAMED = "gen_ai.request.stream"
FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
"""Seconds until the first piece of a stream."""
DB_SYSTEM = "db.system.name"
DB_OPERATION = "db.operation.name"
DB_COLLECTION = "db.collection.name"
DB_NAMESPACE = "db.namespace"
"""The tenant, as the database sees it."""
DB_ROWS = "db.response.returned_rows"
ERROR_TYPE = "error.type"

CONTENT = frozenset(
    {
        ANSWER,
        INPUT_MESSAGES,
        OUTPUT_MESSAGES,
        QUESTION,
        RETRIEVAL_DOCUMENTS,
        RETRIEVAL_QUERY,
        TOOL_ARGUMENTS,
        TOOL_RESULT,
    }
)
"""What people and tools said: never recorded unless content capture is on."""
REASONS = frozenset({DECISION_REASON, GUARD_REASON, HOP_DETAIL, ROUTE_FALL, ROUTE_REASON})
"""Why something was done, in words: whatever stands in quotes there is content too."""
ATTRIBUTES = frozenset(
    value
    for name, value in list(globals().items())
    if name.isupper() and isinstance(value, str) and "." in value
)
"""Every attribute name above."""


# --- spans ---------------------------------------------------------------------------------------


def invoke_agent(*, agent: str, run_id: str, tenant: str, conversation_id: str = "") -> Start:
    """The root of a run. `conversation_id` only where the caller named the thread."""
    attributes: dict[str, AttributeValue] = {
        OPERATION: "invoke_agent",
        AGENT: agent,
        RUN_ID: run_id,
        TENANT: tenant,
    }
    if conversation_id:
        attributes[CONVERSATION] = conversation_id
    return f"invoke_agent {agent}", attributes


def hop(index: int) -> Start:
    """One turn of the loop, from 1; the conventions have no name for it."""
    return f"fairlead.hop {index}", {HOP_INDEX: index}


def plan(agent: str) -> Start:
    """The planner choosing a decision; a model it asks is a child span."""
    return f"plan {agent}", {OPERATION: "plan", AGENT: agent}


def retrieval(collection: str, *, top_k: int) -> Start:
    """A search as the run asked for it; kind CLIENT. What the store did is a child span."""
    return f"retrieval {collection}", {
        OPERATION: "retrieval",
        DATA_SOURCE: collection,
        TOP_K: top_k,
    }


def stage(name: str) -> Start:
    """One stage of a search; the conventions have no name for it."""
    return f"fairlead.retrieve {name}", {RETRIEVAL_STAGE: name}


def embeddings(model: str, *, provider: str = "embedded") -> Start:
    """Texts turned into vectors; kind CLIENT, or INTERNAL in this process."""
    return f"embeddings {model}", {OPERATION: "embeddings", PROVIDER: provider, MODEL: model}


def rerank(model: str, *, texts: int) -> Start:
    """A cross-encoder on a server; kind CLIENT. The conventions have no name for it."""
    return f"rerank {model}", {OPERATION: "rerank", MODEL: model, TEXTS: texts}


def database(operation: str, collection: str, *, system: str, tenant: str) -> Start:
    """One operation of a store, such as `hybrid`; `system` is `sqlite` or `weaviate`."""
    return f"{operation} {collection}", {
        DB_SYSTEM: system,
        DB_OPERATION: operation,
        DB_COLLECTION: collection,
        DB_NAMESPACE: tenant,
    }


def execute_tool(tool: str, *, call_id: str = "", effect: str = "") -> Start:
    """One tool call."""
    attributes: dict[str, AttributeValue] = {
        OPERATION: "execute_tool",
        TOOL: tool,
        TOOL_TYPE: "function",
    }
    if call_id:
        attributes[TOOL_CALL_ID] = call_id
    if effect:
        attributes[TOOL_EFFECT] = effect
    return f"execute_tool {tool}", attributes


def guardrail(guard: str, *, stage: str) -> Start:
    """`stage`: input, plan, tool_args, tool_result, context or output."""
    return f"apply_guardrail {guard}", {GUARDRAIL: guard, GUARD_STAGE: stage}


def chat(model: str, *, provider: str) -> Start:
    """One model call; kind CLIENT, or INTERNAL in this process. vLLM's `provider` is `vllm`."""
    return f"chat {model}", {OPERATION: "chat", PROVIDER: provider, MODEL: model}


def attempt(number: int, *, host: str, port: int) -> Start:
    """One try of a model call, from 1; kind CLIENT, and the parent of the server's own span."""
    return f"fairlead.attempt {number}", {ATTEMPT: number, SERVER: host, SERVER_PORT: port}


def reconcile() -> Start:
    """A round that changed what model servers have loaded; the conventions have no name for it."""
    return "fairlead.adapters.reconcile", {}


def adapter_change(verb: str, replica: str, *, name: str, version: int, digest: str) -> Start:
    """One adapter loaded or unloaded on one server; kind CLIENT. `verb` is `load` or `unload`."""
    return f"fairlead.adapters.{verb} {name}", {
        REPLICA: replica,
        LORA_NAME: name,
        LORA_VERSION: str(version),
        LORA_DIGEST: digest,
    }


def rollback(*, name: str, version: int, digest: str) -> Start:
    """A canary that a guard sends back by itself."""
    return f"fairlead.adapters.rollback {name}", {
        LORA_NAME: name,
        LORA_VERSION: str(version),
        LORA_DIGEST: digest,
    }
