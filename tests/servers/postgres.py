"""A PostgreSQL cluster of the tests' own: a fresh data folder, a socket in it, no TCP port.

Takes the newest PostgreSQL of the machine (`apt-get install postgresql` on Debian; the server need
not be set up). `initdb` refuses root, so under root everything runs as the user `postgres`.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

PORT = 5432
"""Only part of the socket's name: nothing listens on it."""
STARTING_SECONDS = 60


def programs() -> Path | None:
    """The folder that holds `initdb` and `pg_ctl`; None where PostgreSQL is not installed."""
    newest = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda each: int(each.parts[-3])
    )
    if newest:
        return newest[-1].parent
    found = shutil.which("pg_ctl")
    return Path(found).resolve().parent if found else None


class Postgres:
    """A running cluster; `url()` leads to a new, empty database of it."""

    def __init__(self) -> None:
        self._bin = programs()
        self._folder = Path(tempfile.mkdtemp(prefix="pg-"))  # short: a socket's path is limited
        self._data = self._folder / "data"
        self._made = 0
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(self._folder, owner.pw_uid, owner.pw_gid)

    def __enter__(self) -> Self:
        self._run("initdb", "-D", str(self._data), "-U", "tester", "-A", "trust", "-E", "UTF8")
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        settings = f"-k {self._folder} -c listen_addresses='' -c fsync=off -p {PORT}"
        waiting = ("-w", "-t", str(STARTING_SECONDS))
        log = ("-l", str(self._folder / "log"))
        self._run("pg_ctl", "-D", str(self._data), *log, "-o", settings, *waiting, "start")

    def stop(self) -> None:
        """At once, as a crash would; does nothing where it does not run."""
        self._run("pg_ctl", "-D", str(self._data), "-m", "immediate", "-w", "stop", check=False)

    def url(self) -> str:
        """Of a database that nobody else uses."""
        self._made += 1
        name = f"test{self._made}"
        self._run("createdb", "-h", str(self._folder), "-p", str(PORT), "-U", "tester", name)
        return f"postgresql:///{name}?host={self._folder}&port={PORT}&user=tester"

    def _run(self, program: str, *arguments: str, check: bool = True) -> None:
        assert self._bin
        command: Sequence[str] = (str(self._bin / program), *arguments)
        if os.geteuid() == 0:
            command = (
                "setpriv",
                "--reuid=postgres",
                "--regid=postgres",
                "--clear-groups",
                *command,
            )
        done = subprocess.run(
            command,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        if check and done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr.strip()}")
