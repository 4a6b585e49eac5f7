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

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from fairlead.errors import SettingsError
from fairlead.model_sections import (
    LaunchSettings,
    ModelSettings,
    Place,
    Rollout,
    RouteSettings,
)
from fairlead.schema import Name
from fairlead.sections import (
    Budgets,
    Collection,
    Guard,
    Policy,
    Retrieval,
    Section,
    Storage,
    Telemetry,
    Tools,
    Weaviate,
)

FILE_NAME = "fairlead.toml"
_NOT_YET = ("agents",)
"""Sections of the documented format that this version does not act on, and therefore refuses."""


class Settings(Section):
    """All settings of one assistant."""

    schema_: Annotated[Literal[1], Field(alias="schema")] = 1
    storage: Storage = Storage()
    model: ModelSettings = ModelSettings()
    models: Mapping[Name, ModelSettings] = Field(default_factory=dict)
    """Further models; `base` and `embedded` are taken."""
    routes: Mapping[Place, RouteSettings] = Field(default_factory=dict)
    launch: LaunchSettings = LaunchSettings()
    retrieval: Retrieval = Retrieval()
    collections: Mapping[Name, Collection] = Field(default_factory=dict)
    weaviate: Weaviate = Weaviate()
    guard: Guard = Guard()
    tools: Tools = Tools()
    policy: Policy = Policy()
    budgets: Budgets = Budgets()
    rollout: Rollout = Rollout()
    telemetry: Telemetry = Telemetry()

    @model_validator(mode="after")
    def _named(self) -> "Settings":
        """Every model that a route names is there, and `embedded` comes last."""
        taken = {"base", "embedded"} & self.models.keys()
        if taken:
            raise ValueError(f"models.{min(taken)}: that name is taken; [model] is `base`")
        idle = [name for name, model in self.models.items() if model.provider == "embedded"]
        if idle:
            raise ValueError(f"models.{idle[0]} needs a provider")
        for place, route in self.routes.items():
            asked = [route.model, *(tier.model for tier in route.tiers)]
            for name in (*asked, *(route.fallback or ())):
                if name not in ("base", "embedded", *self.models):
                    raise ValueError(f"routes.{place} names the model {name!r}, which there is not")
            if "embedded" in (route.fallback or ())[:-1]:
                raise ValueError(f"routes.{place}.fallback: `embedded` stands last")
        return self

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
    storage = settings.storage.model_copy(update={"path": path})
    routes = {
        name: route.model_copy(update={"prompt": root / route.prompt.expanduser()})
        if route.prompt
        else route
        for name, route in settings.routes.items()
    }
    return settings.model_copy(update={"storage": storage, "routes": routes})


def _complaint(error: ErrorDetails, origins: Mapping[str, str]) -> SettingsError:
    name = ".".join(str(part) for part in error["loc"])
    where = next((o for n, o in origins.items() if n == name or n.startswith(f"{name}.")), "")
    said = f" ({where})" if where else ""
    for section in _NOT_YET:
        if f"{name}.".startswith(f"{section}."):
            return SettingsError(
                f"setting {section!r}{said} is not supported by this version of Fairlead",
                hint="Remove it: a setting that did nothing would promise what is not kept.",
            )
    if error["type"] == "value_error":  # of a validator of ours, in words of ours
        reason = str(error.get("ctx", {}).get("error", error["msg"]))
        return SettingsError(
            f"setting {name!r}{said}: {reason}" if name else reason,
            hint="See `fairlead config schema`.",
        )
    if error["type"] != "extra_forbidden":
        return SettingsError(
            f"setting {name!r}{said}: {error['msg']}", hint="See `fairlead config schema`."
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
