"""Base models: what an adapter was trained for, by name, by digest and by the shapes it has."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from fairlead.errors import InputError
from fairlead.serving.adapters.refusals import Unsound
from fairlead.serving.adapters.tensors import TensorFile

_HEADER_LIMIT: Final = 100 << 20
_VOLATILE: Final = {"_name_or_path", "dtype", "torch_dtype", "transformers_version", "use_cache"}
"""Fields of config.json that change when a model is saved again and say nothing of its weights."""


@dataclass(frozen=True, kw_only=True)
class Base:
    """A base model. Without a folder only its name is known."""

    name: str
    digest: str = ""
    names: frozenset[str] = frozenset()
    """Whatever else it may be called."""
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Of its weights, by name; empty where no folder was given."""
    quantised: bool = False
    """Some weights then have other names and shapes than the modules they belong to."""

    def is_called(self, name: str) -> bool:
        """Whether an adapter that names its base so may be one for this base."""
        return any(_same(name, known) for known in {self.name, *self.names})


def find_base(given: str) -> Base:
    """The base that a person names: NAME, FOLDER or NAME=FOLDER.

    Raises `InputError` for a folder that holds no base model in safetensors.
    """
    name, equals, place = given.partition("=")
    if equals and place:
        return read_base(Path(place).expanduser(), name=name.strip())
    folder = Path(given).expanduser()
    if given.strip() and folder.is_dir():
        return read_base(folder)
    if not given.strip() or given.startswith((".", "/", "~")):
        raise InputError(
            f"there is no folder {given!r} with a base model",
            hint="Give the base's name, its folder, or NAME=FOLDER.",
        )
    return Base(name=given.strip())


def read_base(folder: Path, *, name: str = "") -> Base:
    """The base in a folder, with its digest: reads all of its weights once.

    Raises `InputError` where there is none in safetensors.
    """
    config = _config(folder)
    shapes: dict[str, tuple[int, ...]] = {}
    for path in _weights(folder):
        try:
            with TensorFile(path, header_limit=_HEADER_LIMIT) as file:
                shapes.update((each.name, each.shape) for each in file.tensors.values())
        except Unsound as error:
            raise InputError(
                f"base {str(folder)!r}: {error.message}", hint="Fetch the base model again."
            ) from error
    names = {folder.name, str(folder), folder.resolve().name, str(config.get("_name_or_path", ""))}
    hub = _hub_name(folder)
    return Base(
        name=name or hub or folder.resolve().name,
        digest=base_digest(folder),
        names=frozenset(filter(None, {*names, hub})),
        shapes=shapes,
        quantised=bool(config.get("quantization_config")),
    )


def base_digest(folder: Path) -> str:
    """SHA-256 of the base in `folder`, in hex: of its configuration and all of its weights.

    Of config.json without the fields that saving it again would change, and of the bytes of every
    safetensors file in the order of their names. The tokenizer is not part of it. Takes as long as
    reading the files: one or two seconds a gigabyte.
    """
    config = {name: value for name, value in _config(folder).items() if name not in _VOLATILE}
    whole = hashlib.sha256(b"fairlead-base/1\n")
    whole.update(json.dumps(config, sort_keys=True, separators=(",", ":")).encode() + b"\n")
    for path in _weights(folder):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        whole.update(f"{path.name} {content}\n".encode())
    return whole.hexdigest()


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{str(folder)!r} is no base model: cannot read 'config.json'",
            hint="Give the folder that the model server is started with.",
        ) from error
    if not isinstance(fields, dict):
        raise InputError(f"'config.json' of {str(folder)!r} is no JSON object")
    return fields


def _weights(folder: Path) -> list[Path]:
    """Its weights; in a hub's cache they are links, which is right for a base of one's own."""
    found = sorted(path for path in folder.glob("*.safetensors") if path.is_file())
    if not found:
        raise InputError(
            f"the base {str(folder)!r} has no safetensors files",
            hint="Give the folder that the model server is started with.",
        )
    return found


def _hub_name(folder: Path) -> str:
    """`models--owner--name` on the way to the folder, as the Hugging Face cache lays it out."""
    parts: Iterator[str] = (part for part in folder.absolute().parts if part.startswith("models--"))
    return next(parts, "").removeprefix("models--").replace("--", "/", 1)


def _same(one: str, other: str) -> bool:
    """Equal; or, where one of them is a path or a bare name, equal in the last part."""
    if one == other:
        return True
    if _owned(one) and _owned(other):
        return False
    return _last(one) == _last(other) != ""


def _owned(name: str) -> bool:
    return name.count("/") == 1 and not name.startswith(("/", ".", "~"))


def _last(name: str) -> str:
    return name.replace("\\", "/").rstrip("/").rpartition("/")[2]
