"""The child process that parses what strangers wrote: `python -m fairlead.retrieval.loaders.child`.

Reads requests on standard input, a line of JSON and then the file's bytes, and writes replies on
standard output, eight bytes of length and then JSON. It may use so much memory and processor time,
writes no files, and has none of its parent's environment. It is no sandbox: it can still read files
and open connections, so a parser that could be made to run code would not be contained.
"""

import os
import sys
import threading
import time
from typing import BinaryIO, Final

import orjson

from fairlead.retrieval.loaders.formats import loader
from fairlead.retrieval.loaders.loaded import Malformed

_REASON: Final = 200
"""Characters of a parser's own message that are passed on."""
_WATCHED: Final = 0.05
"""Seconds between looks at the memory in use."""
OUT_OF_MEMORY: Final = 3
"""Exit status."""


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answers until the requests end, or one of them took too much memory."""
    while line := requests.readline():
        asked = orjson.loads(line)
        _allow_seconds(asked["seconds"])
        data = requests.read(asked["size"])
        reply, spent = _reply(asked["format"], data, asked["name"], asked["charset"])
        replies.write(len(reply).to_bytes(8, "big") + reply)
        replies.flush()
        if spent:
            return


def _reply(form: str, data: bytes, name: str, charset: str) -> tuple[bytes, bool]:
    """The document or the reason why there is none, and whether the memory is used up."""
    try:
        return orjson.dumps({"loaded": loader(form)(data, name, charset)}), False
    except Malformed as error:
        return orjson.dumps({"malformed": str(error)}), False
    except MemoryError:
        return orjson.dumps({"malformed": "takes more memory to parse than a document may"}), True
    except Exception as error:
        said = " ".join(str(error).split())[:_REASON]
        said = said.encode("utf-8", "backslashreplace").decode("utf-8")
        reason = f"cannot be parsed ({type(error).__name__}{': ' if said else ''}{said})"
        return orjson.dumps({"malformed": reason}), False


def _allow_seconds(seconds: float) -> None:
    """Ends this process by itself should its parent be gone when the time is over."""
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime + seconds) + 2
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    if hard == resource.RLIM_INFINITY or limit < hard:
        resource.setrlimit(resource.RLIMIT_CPU, (limit, hard))


def _limit(memory: int) -> None:
    """Bounds memory, forbids writing files and core dumps, as far as the system can."""
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return
    for kind in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
        resource.setrlimit(kind, (0, resource.getrlimit(kind)[1]))
    try:
        resource.setrlimit(resource.RLIMIT_AS, (memory, resource.getrlimit(resource.RLIMIT_AS)[1]))
    except (ValueError, OSError):  # macOS bounds no address space
        threading.Thread(target=_watch, args=(memory,), daemon=True).start()


def _watch(memory: int) -> None:
    """Ends the process when its resident memory grows by more than that."""
    most = _resident() + memory
    while _resident() < most:
        time.sleep(_WATCHED)
    os._exit(OUT_OF_MEMORY)


def _resident() -> int:
    """Bytes in memory; the most there ever were, where the system does not tell more."""
    try:
        with open("/proc/self/statm", encoding="ascii") as said:  # Linux hands a peak to children
            return int(said.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        import resource  # noqa: PLC0415 - not on Windows

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def main() -> None:
    """Takes over standard input and output; what a parser prints goes nowhere."""
    import signal  # noqa: PLC0415 - only here

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    replies = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    _limit(int(sys.argv[1]))
    serve(sys.stdin.buffer, replies)


if __name__ == "__main__":
    main()
