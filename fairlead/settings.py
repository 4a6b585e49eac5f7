"""Every setting, frozen, read once.

Layers, strongest first: `FAIRLEAD_SECTION__KEY` in the environment, `.env` beside the project's
settings file, `fairlead.toml` (searched upwards), the user's own `fairlead.toml`, the defaults
below. A mapping given by the caller stands in the files' place; ready `Settings` are final.
`load()` also remembers which layer each value came from.
"""

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeGuard, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from fairlead.errors import SettingsError
from fairlead.schema import Effect, Json, Name, Personal

FILE_NAME = "fairlead.toml"
_NOT_YET = {"routes", "agents"}
"""Sections of the documented format that this version does not act on, and therefore refuses."""
_NAME = r"[a-z0-9][a-z0-9_-]{0,63}"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Storage(_Section):
    """Where the embedded default keeps everything."""

    path: Path = Path(".fairlead")
    """Relative to the settings file's folder, else to the current one."""


class ModelSettings(_Section):
    """Which model writes answers."""

    provider: str = Field(default="embedded", pattern=r"^(embedded|langchain:[\w.]+:\w+)$")
    """`embedded`, or `langchain:MODULE:CLASS` for any LangChain chat model."""
    options: Mapping[str, Json] = Field(default_factory=dict)
    """Keyword arguments for the LangChain class."""


class Secret(_Section):
    """Where a secret is found; never the secret itself."""

    env: str = Field(pattern=r"^[A-Za-z_]\w*$")
    """Name of the environment variable that holds it."""


class ServedModel(_Section):
    """A model behind an OpenAI-compatible server; other settings refer to it by its name here."""

    provider: Literal["vllm"]
    """`vllm` stands for every server with OpenAI's API."""
    url: str = Field(pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$")
    """Up to and with `/v1`."""
    name: str = Field(min_length=1)
    """As the server knows it."""
    api_key: Secret | None = None


class Embedding(_Section):
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


class Stages(_Section):
    """Stages of a search; each can be switched off."""

    mend: bool = True
    """Misspelt words of a question are mended from the collection's own."""
    decompose: bool = True
    """Several questions in one are searched each by itself too."""
    expand: bool = True
    """A second look with what the best passages say."""
    rerank: bool = True
    """What the question names, and the declared boosts, go up."""
    diversify: bool = True
    relevance: Annotated[float, Field(ge=0, le=1)] = 0.9
    """Beside 1 − this for being unlike the passages before (maximal marginal relevance)."""
    per_document: Annotated[int, Field(ge=0, le=1000)] = 0
    """Passages of one document that come first; 0 for no limit."""
    gate: bool = True
    """How likely an answer is among the passages."""
    pack: bool = True
    """Overlapping passages become one; a budget of tokens is kept."""


class Cache(_Section):
    """Results and question vectors that are kept for a while."""

    place: Literal["auto", "memory", "disk", "off"] = "auto"
    """`auto`: on disk below storage.path with a store that can be away, else in memory."""
    seconds: Annotated[float, Field(ge=0, le=86_400)] = 300.0
    stale_seconds: Annotated[float, Field(ge=0, le=604_800)] = 3600.0
    """How old a result may be that is shown, marked stale, while the store is away."""
    megabytes: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Of one tenant."""


class Retrieval(_Section):
    """How documents are found."""

    store: Literal["embedded", "weaviate"] = "embedded"
    embedder: str = Field(
        default="default", pattern=rf"^(default|none|vllm:{_NAME}|langchain:[\w.]+:\w+)$"
    )
    embedding: Embedding = Embedding()
    k: Annotated[int, Field(ge=1, le=100)] = 8
    context_tokens: Annotated[int, Field(ge=100, le=100_000)] = 2000
    stages: Stages = Stages()
    cache: Cache = Cache()


class Boost(_Section):
    """What speaks for a document whatever the question; added to scores from 0 to 1."""

    half_life_days: Annotated[float, Field(ge=0)] = 0.0
    """After so many days a document's recency counts half."""
    recency: Annotated[float, Field(ge=0, le=1)] = 0.0
    """What a document of today gets."""
    authority: Mapping[str, Annotated[float, Field(ge=-1, le=1)]] = Field(default_factory=dict)
    """Source, or the beginning of one, and what its documents get."""


class Collection(_Section):
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
    layers: Literal["auto", "on", "off"] = "auto"
    """Documents first, then their passages: `auto` from 50,000 passages on."""
    boost: Boost = Boost()

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, protected_namespaces=()
    )


class Guard(_Section):
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


class Weaviate(_Section):
    """The Weaviate server, where retrieval.store is weaviate."""

    url: str = "http://127.0.0.1:8080"
    grpc_port: Annotated[int, Field(ge=1, le=65_535)] = 50_051
    grpc_host: str = ""
    """Without, that of `url`."""
    api_key: Secret | None = None
    prefix: str = Field(default="Fairlead", pattern=r"^[A-Z][A-Za-z0-9]{0,31}$")
    """Before the names of everything that is made there."""
    replicas: Annotated[int, Field(ge=1, le=9)] = 1
    connect_seconds: Annotated[float, Field(gt=0, le=600)] = 5.0
    query_seconds: Annotated[float, Field(gt=0, le=600)] = 10.0
    insert_seconds: Annotated[float, Field(gt=0, le=3600)] = 90.0


class Declaration(_Section):
    """What a tool that cannot be decorated does."""

    effect: Effect
    authority: tuple[str, ...] = ()
    payload: tuple[str, ...] = ()
    returns: Literal["untrusted", "first_party"] = "untrusted"


class Tools(_Section):
    """Declarations by tool name, and limits for every tool."""

    declare: Mapping[str, Declaration] = Field(default_factory=dict)
    seconds: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """Time limit of one call where the tool sets none."""
    output_chars: Annotated[int, Field(ge=100, le=1_000_000)] = 20_000
    """Longer outputs are cut, with a finding."""


class Policy(_Section):
    """What may happen without asking."""

    allow: tuple[str, ...] = ()
    """Tools with effects beyond read and egress that may run."""
    allow_hosts: tuple[str, ...] = ()
    """Hosts (`host` or `host:port`) that pages may be fetched from though they are private."""


class Budgets(_Section):
    """What one run may use; exceeding one ends it with a stated partial answer."""

    hops: Annotated[int, Field(ge=1, le=100)] = 12
    tool_calls: Annotated[int, Field(ge=0, le=1000)] = 24
    tokens: Annotated[int, Field(ge=1)] = 60_000
    seconds: Annotated[float, Field(gt=0)] = 120.0


class Telemetry(_Section):
    """What is recorded of a run."""

    store: Literal["local", "off"] = "local"
    content: Literal["none", "spans"] = "none"
    """`spans` also records questions, queries, arguments and texts on spans."""


class Settings(_Section):
    """All settings of one assistant."""

    schema_: Annotated[Literal[1], Field(alias="schema")] = 1
    storage: Storage = Storage()
    model: ModelSettings = ModelSettings()
    models: Mapping[Name, ServedModel] = Field(default_factory=dict)
    retrieval: Retrieval = Retrieval()
    collections: Mapping[Name, Collection] = Field(default_factory=dict)
    weaviate: Weaviate = Weaviate()
    guard: Guard = Guard()
    tools: Tools = Tools()
    policy: Policy = Policy()
    budgets: Budgets = Budgets()
    telemetry: Telemetry = Telemetry()

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, protected_namespaces=()
    )


class Loaded:
    """Settings together with where each value came from."""

    def __init__(self, settings: Settings, origins: Mapping[str, str], file: Path | None) -> None:
        self.settings = settings
        self.origins = origins
        """Dotted name → `given`, `user PATH`, `project PATH`, `.env PATH`, `environment NAME`."""
        self.file = file


def load(given: "Settings | Mapping[str, Any] | str | Path | None" = None) -> Loaded:
    """Settings from every layer.

    `given`: a file's path; a mapping (no file is read then, the environment still is); ready
    `Settings` (used as they are); None (search upwards from the current folder).
    Raises `SettingsError` for a missing or malformed file, an unknown name or a bad value.
    """
    if isinstance(given, Settings):
        return Loaded(given, {name: "given" for name, _ in flatten(given)}, None)
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    file: Path | None = None
    if isinstance(given, Mapping):
        _lay(values, origins, dict(given), "given")
    else:
        file = _named(given) if given is not None else find()
        user = user_file()
        if user.is_file() and user != file:
            _lay(values, origins, _read(user), f"user {user}")
        if file:
            _lay(values, origins, _read(file), f"project {file}")
        _lay_environment(values, origins, _dotenv(file), f".env {_dotenv_path(file)}")
    _lay_environment(values, origins, os.environ, "environment")
    return Loaded(_settled(values, origins, file), origins, file)


def find(start: Path | None = None) -> Path | None:
    """The nearest `fairlead.toml` in `start` (default: the current folder) or above it."""
    here = (start or Path.cwd()).resolve()
    return next((f / FILE_NAME for f in (here, *here.parents) if (f / FILE_NAME).is_file()), None)


def user_file() -> Path:
    """The user's own settings file, whether it exists or not."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "fairlead" / FILE_NAME


def flatten(value: object, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Dotted names and plain values of settings or mappings."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", by_alias=True)
    if isinstance(value, Mapping) and (value or not prefix):
        for key, inner in value.items():
            yield from flatten(inner, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, value


def _settled(values: dict[str, Any], origins: Mapping[str, str], file: Path | None) -> Settings:
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False)
        first = next((e for e in found if e["type"] == "extra_forbidden"), found[0])
        raise _complaint(first, origins) from error
    root = file.parent if file else Path.cwd()
    path = root / settings.storage.path.expanduser()
    return settings.model_copy(update={"storage": Storage(path=path)})


def _complaint(error: ErrorDetails, origins: Mapping[str, str]) -> SettingsError:
    name = ".".join(str(part) for part in error["loc"])
    where = next((o for n, o in origins.items() if n == name or n.startswith(f"{name}.")), "")
    said = f" ({where})" if where else ""
    if error["type"] != "extra_forbidden":
        return SettingsError(
            f"setting {name!r}{said}: {error['msg']}", hint="See `fairlead config schema`."
        )
    if name.split(".")[0] in _NOT_YET:
        return SettingsError(
            f"setting {name!r}{said} is not supported by this version of Fairlead",
            hint="Remove it: a setting that did nothing would promise what is not kept.",
        )
    near = difflib.get_close_matches(name, _known(error["loc"]), n=1, cutoff=0.0)
    hint = f"Did you mean {near[0]!r}?" if near else "See `fairlead config schema`."
    return SettingsError(f"unknown setting {name!r}{said}", hint=hint)


def _known(location: tuple[int | str, ...]) -> list[str]:
    """The names that could have stood where the unknown one stands; else every name."""
    path = [str(part) for part in location[:-1]]
    kind: Any = Settings
    for part in path:
        kind = _below(kind, part)
    fields = kind.model_fields if _is_section(kind) else {}
    beside = [".".join([*path, field.alias or name]) for name, field in fields.items()]
    return beside + [name for name, _ in flatten(Settings()) if name not in beside]


def _below(kind: Any, part: str) -> Any:
    """The type of what stands under one name of a section, or of a table of them."""
    if not _is_section(kind):  # Mapping[Name, Section]
        return get_args(kind)[1]
    inner = kind.model_fields[part].annotation
    return get_args(inner)[0] if isinstance(inner, UnionType) else inner  # Section | None


def _is_section(kind: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _lay(
    values: dict[str, Any], origins: dict[str, str], layer: Mapping[str, Any], origin: str
) -> None:
    for key, value in layer.items():
        held = values.get(key)
        if isinstance(value, Mapping):
            inner = dict(held) if isinstance(held, Mapping) else {}
            inside: dict[str, str] = {}
            _lay(inner, inside, value, origin)
            values[key] = inner
            origins.update({f"{key}.{name}": said for name, said in inside.items()})
        else:
            values[key] = value
            origins[key] = origin


def _lay_environment(
    values: dict[str, Any], origins: dict[str, str], env: Mapping[str, str], origin: str
) -> None:
    for variable, text in sorted(env.items()):
        if not variable.upper().startswith("FAIRLEAD_") or "__" not in variable:
            continue
        path = variable[len("FAIRLEAD_") :].lower().split("__")
        layer: Any = _parsed(text)
        for part in reversed(path):
            layer = {part: layer}
        _lay(values, origins, layer, f"{origin} {variable}".strip())


def _parsed(text: str) -> Any:
    """TOML where the text reads as a list or table, else itself; pydantic does the rest."""
    if text[:1] in "[{" and text:
        try:
            return tomllib.loads(f"x = {text}")["x"]
        except tomllib.TOMLDecodeError:
            return text
    return text


def _named(given: str | Path) -> Path:
    path = Path(given).expanduser()
    if not path.is_file():
        raise SettingsError(
            f"no settings file {str(path)!r}", hint="Name an existing file, or run `fairlead init`."
        )
    return path.resolve()


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{str(path)!r} is not valid TOML: {error}", hint="Mend the line named."
        ) from error
    except OSError as error:
        raise SettingsError(f"cannot read {str(path)!r}: {error.strerror}") from error


def _dotenv_path(file: Path | None) -> Path:
    return (file.parent if file else Path.cwd()) / ".env"


def _dotenv(file: Path | None) -> dict[str, str]:
    path = _dotenv_path(file)
    if not path.is_file():
        return {}
    from dotenv import dotenv_values  # noqa: PLC0415 - only where there is such a file

    return {key: value for key, value in dotenv_values(path).items() if value is not None}
