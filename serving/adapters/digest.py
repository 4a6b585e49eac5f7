"""What an adapter's content is called: a digest of it, and a served name that carries the digest.

A server's prefix cache is keyed by an adapter's name and path. Since both carry the digest, changed
weights can neither answer under an old name nor be given states that the old ones left.
"""

import hashlib
import re
from pathlib import Path
from typing import Final

from fairlead.errors import InputError
from fairlead.serving.adapters import configuration
from fairlead.serving.adapters.folder import WEIGHTS

SHOWN: Final = 12
"""Digits of a digest in a served name: two of a million contents share them with probability 0.2 %,
and name and version stand before them."""
NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
"""What an adapter may be called."""
_SERVED: Final = re.compile(rf"({NAME.pattern})-([1-9][0-9]{{0,8}})-([0-9a-f]{{{SHOWN}}})")


def content_digest(folder: Path) -> str:
    """SHA-256 of a stored adapter, in hex: of its two files, which are in their canonical form.

    Neither file times nor the order of keys or tensors in the files it was made from matter.
    Raises `OSError` where one of the files cannot be read.
    """
    whole = hashlib.sha256(b"fairlead-adapter/1\n")
    for name in (configuration.NAME, WEIGHTS):
        with (folder / name).open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        whole.update(f"{name} {content}\n".encode())
    return whole.hexdigest()


def served_name(name: str, version: int, digest: str) -> str:
    """As model servers know it: `support-3-1a2b3c4d5e6f`."""
    return f"{name}-{version}-{digest[:SHOWN]}"


def parsed_served_name(text: str) -> tuple[str, int, str] | None:
    """Name, version and the digest's beginning; None for what is no served name."""
    found = _SERVED.fullmatch(text)
    return (found[1], int(found[2]), found[3]) if found else None


def checked_name(name: str) -> str:
    """The name. Raises `InputError` for one that no adapter can have."""
    if not NAME.fullmatch(name):
        raise InputError(
            f"{name!r} cannot be an adapter's name",
            hint="Use 1 to 64 of a-z, 0-9, _ and -, a letter or digit first.",
        )
    return name
