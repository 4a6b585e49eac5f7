"""Sections of the settings file, frozen; `fairlead.settings` reads them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from fairlead.schema import Effect, Json, Personal

NAME = r"[a-z0-9][a-z0-9_-]{0,63}"


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Storage(Section):
    """Where the embedded default keeps everything."""

    path: Path = Path(".fairlead")
    """Relative to the settings file's folder, else to the current one."""
    url: Annotated[str, Field(pattern=r"^postgres(ql)?://\S+$")] | None = None
    """A PostgreSQL database for the registry of adapters; a password is better in PGPASSWORD."""


class Secret(Section):
    """Where a secret is found; never the secret itself."""

    env: str = Field(pattern=r"^[A-Za-z_]\w*$")
    """Name of the environment variable that holds it."""


class Embedding(Section):
    """What an embedder other than the default one is told."""

    query_prefix: str = ""
    document_prefix: str = ""
    dimensions: Annotated[int, Field(ge=1, le=65_536)] | None = None
    """Asked of a server whose model can shorten its vectors."""
    revision: str = ""
    """A label of the weights: another one means that vectors no longer compare."""
    batch: Annotated[int, Field(ge=1, le=2048)] = 32
    """Texts of one request."""
    options: Mapping[str, Json] = Field(default_factory=dict)
    """Keyword arguments for the LangChain class."""


class Reranking(Section):
    """What a cross-encoder is told."""

    form: Literal["rerank", "score"] = "rerank"
    """Which API its server has: `/rerank` with query and documents, or vLLM's `/score`."""
    depth: Annotated[int, Field(ge=1, le=1000)] = 32
    """How many of the best candidates it reads."""


class Stages(Section):
    """Stages of a search; each can be switched off."""

    mend: bool = True
    """Misspelt words of a question are mended from the collection's own."""
    decompose: bool = True
    """Several questions in one are searched each by itself too."""
    expand: bool = True
    """A second look with what the best passages say."""
    documents: Annotated[int, Field(ge=0, le=1000)] = 0
    """Layered search: so many of the best documents are searched by themselves; 0 for all."""
    rerank: bool = True
    """What the question names, and the declared boosts, go up."""
    diversify: bool = True
    relevance: Annotated[float, Field(ge=0, le=1)] = 0.95
    """Beside 1 − this for being unlike the passages before (maximal marginal relevance)."""
    per_document: Annotated[int, Field(ge=0, le=1000)] = 0
    """Passages of one document that come first; 0 for no limit."""
    gate: bool = True
    """How likely an answer is among the passages."""
    pack: bool = True
    """Overlapping passages become one; a budget of tokens is kept."""


class Cache(Section):
    """Results and question vectors that are kept for a while."""

    place: Literal["auto", "memory", "disk", "off"] = "auto"
    """`auto`: on disk below storage.path with a store that can be away, else in memory."""
    seconds: Annotated[float, Field(ge=0, le=86_400)] = 300.0
    stale_seconds: Annotated[float, Field(ge=0, le=604_800)] = 3600.0
    """How old a result may be that is shown, marked stale, while the store is away."""
    megabytes: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Of one tenant."""


class Retrieval(Section):
    """How documents are found."""

    store: Literal["embedded", "weaviate"] = "embedded"
    embedder: str = Field(
        default="default", pattern=rf"^(default|none|vllm:{NAME}|langchain:[\w.]+:\w+)$"
    )
    embedding: Embedding = Embedding()
    reranker: str = Field(default="none", pattern=rf"^(none|vllm:{NAME})$")
    reranking: Reranking = Reranking()
    k: Annotated[int, Field(ge=1, le=100)] = 8
    context_tokens: Annotated[int, Field(ge=100, le=100_000)] = 2000
    stages: Stages = Stages()
    cache: Cache = Cache()


class Boost(Section):
    """What speaks for a document whatever the question; added to scores from 0 to 1."""

    half_life_days: Annotated[float, Field(ge=0)] = 0.0
    """After so many days a document's recency counts half."""
    recency: Annotated[float, Field(ge=0, le=1)] = 0.0
    """What a document of today gets."""
    authority: Mapping[str, Annotated[float, Field(ge=-1, le=1)]] = Field(default_factory=dict)
    """Source, or the beginning of one, and what its documents get."""


class Collection(Section):
    """What differs for one collection."""

    chunker: str = "recursive"
    fields: Mapping[str, Literal["string", "number", "boolean", "date"]] = Field(
        default_factory=dict
    )
    """Metadata that can be filtered on, and its types. Without, whatever documents brought."""
    schema_: Annotated[Mapping[str, Json] | Path | None, Field(alias="schema")] = None
    """JSON Schema of a document's metadata, or the file that holds it."""
    ttl_days: Annotated[float, Field(gt=0)] | None = None
    """How long a document stays that was not seen again at its source."""
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes of the languages that are taken; all without."""
    min_chars: Annotated[int, Field(ge=0)] = 0
    max_chars: Annotated[int, Field(ge=1)] = 64_000_000
    entities: str = "off"
    """`off`, `rules`, or MODULE:FUNCTION: names that link passages about the same thing."""
    boost: Boost = Boost()

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, protected_namespaces=()
    )


class Guard(Section):
    """What documents may hold. `flag` reports, `mask` overwrites, `block` puts into quarantine."""

    pii: Literal["off", "flag", "mask", "block"] = "flag"
    pii_entities: tuple[Personal, ...] = ()
    """Kinds of personal data that are looked for; without, all but addresses of web pages."""
    secrets: Literal["off", "flag", "mask", "block"] = "block"
    """Of certain finds; likely ones are only flagged."""
    instructions: Literal["off", "flag", "block"] = "flag"
    """Text that reads like an instruction to an assistant."""
    hidden_text: Literal["flag", "block"] = "flag"
    """Text that a reader would not see. It is never stored."""
    duplicates: Literal["off", "flag", "block"] = "flag"
    near_duplicate: Annotated[float, Field(ge=0.5, le=1)] = 0.9
    """Share of five-word runs in common from which two documents are nearly the same."""


class WeaviateNode(Section):
    """Another node of the same cluster."""

    url: str
    grpc_port: Annotated[int, Field(ge=1, le=65_535)] = 50_051
    grpc_host: str = ""
    """Without, that of `url`."""


class Weaviate(Section):
    """The Weaviate server, where retrieval.store is weaviate."""

    url: str = "http://127.0.0.1:8080"
    grpc_port: Annotated[int, Field(ge=1, le=65_535)] = 50_051
    grpc_host: str = ""
    """Without, that of `url`."""
    api_key: Secret | None = None
    prefix: str = Field(default="Fairlead", pattern=r"^[A-Z][A-Za-z0-9]{0,31}$")
    """Before the names of everything that is made there."""
    nodes: tuple[WeaviateNode, ...] = ()
    """Further nodes of the cluster: they are asked where the first does not answer."""
    replicas: Annotated[int, Field(ge=1, le=9)] = 1
    sweep: bool = False
    """Whether the server deletes what has expired (it has OBJECTS_TTL_DELETE_SCHEDULE set)."""
    connect_seconds: Annotated[float, Field(gt=0, le=600)] = 5.0
    query_seconds: Annotated[float, Field(gt=0, le=600)] = 10.0
    insert_seconds: Annotated[float, Field(gt=0, le=3600)] = 90.0


class Declaration(Section):
    """What a tool that cannot be decorated does."""

    effect: Effect
    authority: tuple[str, ...] = ()
    payload: tuple[str, ...] = ()
    returns: Literal["untrusted", "first_party"] = "untrusted"


class Tools(Section):
    """Declarations by tool name, and limits for every tool."""

    declare: Mapping[str, Declaration] = Field(default_factory=dict)
    seconds: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """Time limit of one call where the tool sets none."""
    output_chars: Annotated[int, Field(ge=100, le=1_000_000)] = 20_000
    """Longer outputs are cut, with a finding."""


class Policy(Section):
    """What may happen without asking."""

    allow: tuple[str, ...] = ()
    """Tools with effects beyond read and egress that may run."""
    allow_hosts: tuple[str, ...] = ()
    """Hosts (`host` or `host:port`) that pages may be fetched from though they are private."""


class Budgets(Section):
    """What one run may use; exceeding one ends it with a stated partial answer."""

    hops: Annotated[int, Field(ge=1, le=100)] = 12
    tool_calls: Annotated[int, Field(ge=0, le=1000)] = 24
    tokens: Annotated[int, Field(ge=1)] = 60_000
    seconds: Annotated[float, Field(gt=0)] = 120.0


class Telemetry(Section):
    """What is recorded of a run."""

    store: Literal["local", "off"] = "local"
    content: Literal["none", "spans"] = "none"
    """`spans` also records questions, queries, arguments and texts on spans."""
