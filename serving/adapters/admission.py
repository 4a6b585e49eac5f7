"""Lets an adapter in: copies what was given, examines the copy, and stores it under its digest."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fairlead.serving.adapters.bases import Base
from fairlead.serving.adapters.configuration import NAME, AdapterConfig
from fairlead.serving.adapters.content import ContentStore
from fairlead.serving.adapters.digest import content_digest
from fairlead.serving.adapters.folder import REQUIRED, WEIGHTS, unwanted
from fairlead.serving.adapters.refusals import AdapterRefused, Reason
from fairlead.serving.adapters.tensors import TensorFile, canonical
from fairlead.serving.adapters.weights import Examined, Limits, examine

_AS_IT_IS: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""Neither follow a link nor wait for the other end of a pipe."""


@dataclass(frozen=True, kw_only=True)
class Admitted:
    """An adapter that passed every check."""

    config: AdapterConfig
    digest: str
    base: Base
    examined: Examined
    size: int
    """Bytes of its weights."""


def admit(
    folder: Path, *, base: Base, limits: Limits, store: ContentStore | None = None
) -> Admitted:
    """Checks an adapter's folder, and stores it where a store is given.

    What is examined is a private copy: whoever can still write to `folder` changes nothing. What is
    stored is written anew from the tensors and the known fields of the configuration alone. Raises
    `AdapterRefused` with every reason, `InputError` where there is no such folder.
    """
    reasons = tuple(unwanted(folder, megabytes=limits.megabytes))
    if reasons:
        raise AdapterRefused(f"the adapter in {str(folder)!r}", reasons)
    with store.staging() if store else _temporary() as staged:
        given, whole = staged / "given", staged / "whole"
        given.mkdir()
        _copy(folder, given)
        examined = examine(given, limits=limits, base=base)
        if examined.reasons or examined.config is None:
            raise AdapterRefused(f"the adapter in {str(folder)!r}", examined.reasons)
        whole.mkdir()
        _write(given, whole, examined.config)
        size = (whole / WEIGHTS).stat().st_size
        digest = store.keep(whole) if store else content_digest(whole)
    return Admitted(config=examined.config, digest=digest, base=base, examined=examined, size=size)


@contextmanager
def _temporary() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fairlead-") as folder:
        yield Path(folder)


def _copy(folder: Path, target: Path) -> None:
    """Copies the two files, refusing what became a link or another thing since it was listed."""
    for name in REQUIRED:
        try:
            handle = os.open(folder / name, os.O_RDONLY | _AS_IT_IS)
        except OSError as error:
            reason = Reason(code="irregular", message=f"{name!r}: {error.strerror}")
            raise AdapterRefused(f"the adapter in {str(folder)!r}", (reason,)) from error
        with os.fdopen(handle, "rb") as source, (target / name).open("wb") as copied:
            if not stat.S_ISREG(os.fstat(source.fileno()).st_mode):
                reason = Reason(code="irregular", message=f"{name!r} is no regular file")
                raise AdapterRefused(f"the adapter in {str(folder)!r}", (reason,))
            shutil.copyfileobj(source, copied, 1 << 20)


def _write(given: Path, whole: Path, config: AdapterConfig) -> None:
    (whole / NAME).write_bytes(config.content())
    with TensorFile(given / WEIGHTS) as file, (whole / WEIGHTS).open("wb") as written:
        for piece in canonical(file):
            written.write(piece)
