"""Named locks that one holder has at a time, across processes, and that die with their process.

One file per store, one byte of it per name: POSIX record locks go when the process goes, whatever
killed it. Two names share a byte with probability 2^-62. Where the platform has no such locks
(Windows), only holders in this process exclude each other.
"""

import hashlib
import os
import threading
from pathlib import Path
from typing import ClassVar

from fairlead.storage.sqlite import plainly

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]


class Leases:
    """The locks of one store, kept in the file `path`.

    Get one with `Leases.at(path)`: a process must have one per file, and keep it open, since
    closing any descriptor of a file frees all of the process's locks on it.
    """

    _open: ClassVar[dict[Path, "Leases"]] = {}

    @classmethod
    def at(cls, path: Path) -> "Leases":
        path = path.absolute()
        return cls._open.get(path) or cls._open.setdefault(path, cls(path))

    def __init__(self, path: Path) -> None:
        self._held: set[str] = set()
        self._guard = threading.Lock()
        with plainly(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    def take(self, name: str) -> bool:
        """Whether the lease was free and is now held."""
        with self._guard:
            if name in self._held:
                return False
            if fcntl is not None:
                try:
                    fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place(name))
                except (BlockingIOError, PermissionError):
                    return False
            self._held.add(name)
            return True

    def give(self, name: str) -> None:
        """Frees a held lease; freeing one that is not held does nothing."""
        with self._guard:
            if name in self._held:
                self._held.discard(name)
                if fcntl is not None:
                    fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _place(name))


def _place(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:8]) >> 2
