"""Where adapters lie: one read-only folder per content, named by its digest.

A folder appears whole or not at all: it is written beside, flushed to the disk, and renamed. What a
crash leaves behind is cleared away by the next one that writes.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from fairlead.errors import CheckFailed, NotFound, Unavailable
from fairlead.serving.adapters.digest import content_digest
from fairlead.storage import Leases, plainly

_UNFINISHED: Final = ".unfinished-"
_LEASE: Final = "writing"


class ContentStore:
    """The folders below `root`. Usable from any thread; one process writes at a time."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    def path(self, digest: str) -> Path:
        """Where the content lies, or would."""
        return self.root / digest

    def digests(self) -> list[str]:
        """Of everything that is stored."""
        if not self.root.is_dir():
            return []
        return sorted(each.name for each in self.root.iterdir() if _is_digest(each.name))

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """An empty folder on the same file system, gone afterwards.

        Raises `Unavailable` while another process writes, or where the disk is full.
        """
        leases = Leases.at(self.root / ".lock")
        if not leases.take(_LEASE):
            raise Unavailable(
                f"another process is adding an adapter to {str(self.root)!r}",
                hint="Wait for it, then run it again.",
            )
        try:
            with plainly(self.root):
                for left in self.root.glob(f"{_UNFINISHED}*"):
                    _remove(left)
                folder = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self.root))
            try:
                yield folder
            finally:
                _remove(folder)
        finally:
            leases.give(_LEASE)

    def keep(self, folder: Path) -> str:
        """Takes a folder of `staging` over, flushed and read-only; returns its digest.

        Content that is there already stays, unless it was damaged: then this takes its place.
        """
        digest = content_digest(folder)
        with plainly(self.root):
            if self.path(digest).exists():
                if _sound(self.path(digest), digest):
                    return digest
                _remove(self.path(digest))
            for file in folder.iterdir():
                _flush(file)
                file.chmod(0o444)
            _flush(folder)
            folder.chmod(0o755)  # a folder without write permission cannot be renamed everywhere
            folder.rename(self.path(digest))
            self.path(digest).chmod(0o555)
            _flush(self.root)
        return digest

    def check(self, digest: str) -> Path:
        """Where the content lies, read again and found to be what its digest says.

        Raises `NotFound` where it is gone, `CheckFailed` where it is not what it was.
        """
        folder = self.path(digest)
        if not folder.is_dir():
            raise NotFound(
                f"the adapter's content {digest[:12]} is not in {str(self.root)!r}",
                hint="Add the adapter again from the folder it was made in.",
            )
        if not _sound(folder, digest):
            raise CheckFailed(
                f"the adapter in {str(folder)!r} is no longer what was admitted",
                hint="Find out who changed it; add it again from the folder it was made in.",
            )
        return folder

    def remove(self, digest: str) -> None:
        """Deletes content; deleting what is not there does nothing."""
        with plainly(self.root):
            _remove(self.path(digest))


def _is_digest(name: str) -> bool:
    return len(name) == 64 and set(name) <= set("0123456789abcdef")


def _sound(folder: Path, digest: str) -> bool:
    try:
        names = {each.name for each in folder.iterdir()}
        return len(names) == 2 and content_digest(folder) == digest
    except OSError:
        return False


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(folder: Path) -> None:
    if folder.exists():
        folder.chmod(0o755)
        shutil.rmtree(folder)
