"""Installs the real servers that tests run against, once for all checkouts.

    python scripts/servers.py [weaviate] [vllm]

Weaviate is built from its source by Go, which takes about 7 minutes on two cores, and is kept as
`weaviate-VERSION/weaviate-server` in the cache: `$FAIRLEAD_CACHE`, else `$XDG_CACHE_HOME/fairlead`,
else `~/.cache/fairlead`. vLLM comes beside it, as `fairlead models install --variant cpu` makes it:
5.6 GB. What is there is not made again. Of two that run at once, one waits.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from fairlead.errors import FairleadError
from fairlead.serving.launch import cache, install
from fairlead.serving.launch.installation import alone

WEAVIATE = "v1.39.0"
GO = (1, 26)
"""What Weaviate's `go.mod` asks for."""
SWITCHING_GO = (1, 21)
"""From here on Go fetches a newer one of itself where a module needs it and settings allow it."""
WANTED = (
    f"Weaviate is built with Go {'.'.join(map(str, GO))} or newer, and {{found}}: "
    "install it from https://go.dev/dl/ and run `make servers` again."
)


def weaviate_server() -> Path:
    """The Weaviate server's binary, whether or not it is there yet."""
    return cache() / f"weaviate-{WEAVIATE}" / "weaviate-server"


def find_go() -> str:
    """A Go that can build Weaviate. Exits with what to do where there is none."""
    go = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    if go is None:
        sys.exit(WANTED.format(found="there is no `go` on the PATH"))
    asked = [go, "env", "GOVERSION", "GOTOOLCHAIN"]
    version, toolchain = subprocess.check_output(asked, text=True).split("\n")[:2]
    found = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if found < (GO if toolchain == "local" else SWITCHING_GO):
        sys.exit(WANTED.format(found=f"{go} is {version}"))
    return go


def install_weaviate() -> Path:
    """The server's binary, built where it was missing. It appears whole or not at all."""
    binary = weaviate_server()
    cache().mkdir(parents=True, exist_ok=True)
    with alone(cache() / "servers.lock"):
        if not binary.exists():
            build(find_go(), binary)
    return binary


def install_vllm() -> Path:
    """The Python of vLLM's environment, which also appears whole or not at all."""
    return install("cpu").python


def build(go: str, binary: Path) -> None:
    sys.stderr.write(f"Building Weaviate {WEAVIATE}; the first time takes about 7 minutes …\n")
    with tempfile.TemporaryDirectory(dir=cache()) as folder:
        package = f"github.com/weaviate/weaviate/cmd/weaviate-server@{WEAVIATE}"
        built = subprocess.run([go, "install", package], env={**os.environ, "GOBIN": folder})
        if built.returncode:
            sys.exit(f"Weaviate could not be built (see above); `go install {package}` failed.")
        binary.parent.mkdir(exist_ok=True)
        os.replace(Path(folder) / binary.name, binary)


def main(wanted: Sequence[str]) -> None:
    """Installs those servers, all without a name, and prints where each is."""
    servers = {"weaviate": install_weaviate, "vllm": install_vllm}
    if unknown := [name for name in wanted if name not in servers]:
        sys.exit(f"there is no server {unknown[0]!r}; there are {', '.join(servers)}")
    try:
        for name in wanted or servers:
            sys.stdout.write(f"{servers[name]()}\n")
            sys.stdout.flush()
    except FairleadError as error:
        sys.exit(f"{error.message}\n{error.hint}")


if __name__ == "__main__":
    main(sys.argv[1:])
