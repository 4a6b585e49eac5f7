"""Parsing in a child process: a hostile file costs a reject, never the run."""

import os
import subprocess
import sys
import threading
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, get_args

import orjson

from fairlead.retrieval.loaders.child import OUT_OF_MEMORY
from fairlead.retrieval.loaders.loaded import LONGEST, Limits, Loaded, Malformed, Markup, Remark

_RUN: Final = ("-m", "fairlead.retrieval.loaders.child")
_PASSED_ON: Final = ("LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONHOME", "SYSTEMROOT", "TMPDIR")
"""Variables without which Python may not start; no secret is among them."""
_LONGEST_REPLY: Final = 4 * LONGEST
"""Bytes."""
_KINDS: Final = {
    **{each.name: str for each in fields(Loaded)},
    "acl": tuple,
    "body": int,
    "metadata": dict,
    "remarks": tuple,
}
"""What each field of `Loaded` has to be."""


class ParserProcess:
    """One child, started when first needed, replaced when it hangs, dies or grows too large.

    For one thread at a time. `close` ends it.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None

    def load(self, form: str, data: bytes, name: str, charset: str = "") -> Loaded:
        """What the format's loader makes of the file. Raises `Malformed`, as it does."""
        process = self._running()
        asked = {"format": form, "name": name, "charset": charset}
        head = orjson.dumps({**asked, "size": len(data), "seconds": self._limits.seconds})
        late = threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        alarm = threading.Timer(self._limits.seconds, end)
        alarm.start()
        try:
            reply = self._exchanged(process, head + b"\n" + data)
        finally:
            alarm.cancel()
            alarm.join()
        if reply is None:
            raise Malformed(self._ended(late=late.is_set()))
        return _loaded(reply)

    def close(self) -> None:
        """Ends the child; it can be started again."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._process = self._started()
        return self._process

    def _started(self) -> subprocess.Popen[bytes]:
        passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        paths = os.pathsep.join(str(Path(path).absolute()) for path in sys.path if path)
        try:
            return subprocess.Popen(
                [sys.executable, "-P", "-W", "ignore", *_RUN, str(self._limits.memory)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**passed, "PYTHONPATH": paths},
            )
        except OSError as error:
            raise Malformed(f"the process that parses files cannot start: {error}") from None

    def _exchanged(self, process: subprocess.Popen[bytes], request: bytes) -> bytes | None:
        """The reply; None where the child ended first, or said more than it may."""
        assert process.stdin and process.stdout, "both are pipes"
        try:
            process.stdin.write(request)
            process.stdin.flush()
            length = int.from_bytes(process.stdout.read(8), "big")
            if not 0 < length <= _LONGEST_REPLY:
                return None
            reply = process.stdout.read(length)
        except OSError:
            return None
        return reply if len(reply) == length else None

    def _ended(self, *, late: bool) -> str:
        process = self._process
        assert process, "it was running"
        process.kill()
        status = process.wait()
        self.close()
        if late:
            return f"took longer than {self._limits.seconds:g} seconds to parse"
        if status == OUT_OF_MEMORY:
            return "takes more memory to parse than a document may"
        return f"made its parser fail (exit status {status})"


def _loaded(reply: bytes) -> Loaded:
    """What the child said, taken as data: it may have been subverted by what it parsed."""
    try:
        said: dict[str, Any] = orjson.loads(reply)
        if "malformed" in said:
            raise Malformed(str(said["malformed"]))
        values = said["loaded"]
        remarks = tuple(Remark(**each) for each in values.pop("remarks"))
        loaded = Loaded(**{**values, "acl": tuple(values["acl"]), "remarks": remarks})
        if not all(isinstance(getattr(loaded, name), kind) for name, kind in _KINDS.items()):
            raise TypeError
        if loaded.markup not in get_args(Markup):
            raise ValueError
    except (ValueError, TypeError, KeyError, AttributeError):
        raise Malformed("made its parser fail (no sense in its reply)") from None
    return loaded
