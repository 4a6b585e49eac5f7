"""What `fairlead doctor` looks at. Each check stands alone, reads only, and says what to do."""

import os
import platform
import re
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fairlead.errors import FairleadError

if TYPE_CHECKING:
    from fairlead.settings import Settings

Health = Literal["ok", "warn", "fail"]
OLDEST_PYTHON = (3, 11)
LOW, EMPTY = 1_000_000_000, 100_000_000
"""Bytes of free disk below which a check warns, and fails."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at. `fix` says what to do where it is not ok."""

    name: str
    status: Health
    detail: str
    fix: str = ""


def attempt(name: str, check: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    """The check's findings; one that fails in its own way is a finding too."""
    try:
        yield from check()
    except FairleadError as error:
        yield Check(name=name, status="fail", detail=error.message, fix=error.hint)
    except Exception as error:
        yield Check(name=name, status="fail", detail=f"{type(error).__name__}: {error}")


def check_python() -> Iterator[Check]:
    """Whether this Python is new enough."""
    new_enough = sys.version_info[:2] >= OLDEST_PYTHON
    yield Check(
        name="python",
        status="ok" if new_enough else "fail",
        detail=f"Python {platform.python_version()} on {platform.system()} {platform.machine()}",
        fix="" if new_enough else "Install Python 3.11 or newer.",
    )


def check_packages() -> Iterator[Check]:
    """Whether every core dependency is installed, and OpenTelemetry's two halves match."""
    missing, found = [], []
    for requirement in metadata.requires("fairlead") or ():
        if "extra ==" in requirement:
            continue
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        yield Check(
            name="packages",
            status="fail",
            detail=f"missing: {', '.join(missing)}",
            fix="Run `pip install --upgrade --force-reinstall fairlead`.",
        )
    else:
        yield Check(name="packages", status="ok", detail=", ".join(sorted(found)))
    yield from _opentelemetry()


def _opentelemetry() -> Iterator[Check]:
    api, sdk = metadata.version("opentelemetry-api"), metadata.version("opentelemetry-sdk")
    fits = api == sdk
    yield Check(
        name="opentelemetry",
        status="ok" if fits else "warn",
        detail=f"API {api}, SDK {sdk}",
        fix="" if fits else f"Run `pip install opentelemetry-api=={sdk} opentelemetry-sdk=={sdk}`.",
    )


def check_storage(settings: "Settings") -> Iterator[Check]:
    """Whether the storage folder can be written (or made), and whether there is room."""
    folder = settings.storage.path
    home = next(each for each in (folder, *folder.parents) if each.exists())
    fix = "Make the folder writable, or set storage.path to another."
    if not home.is_dir():
        yield Check(
            name="storage", status="fail", detail=f"{str(home)!r} is a file, not a folder", fix=fix
        )
        return
    try:
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        detail = f"cannot write in {str(home)!r}: {error.strerror}"
        yield Check(name="storage", status="fail", detail=detail, fix=fix)
    else:
        note = "" if home == folder else " (made at the first use)"
        yield Check(name="storage", status="ok", detail=f"{folder}{note}")
    free = shutil.disk_usage(home).free
    status: Health = "fail" if free < EMPTY else "warn" if free < LOW else "ok"
    fix = "" if status == "ok" else "Free some disk space."
    yield Check(name="disk", status=status, detail=f"{free / 1e9:.1f} GB free", fix=fix)


def check_sqlite() -> Iterator[Check]:
    """Whether SQLite can search text and lets readers and a writer work side by side."""
    fix = "Use a Python whose SQLite has FTS5 and WAL; those of python.org and conda do."
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(Path(folder) / "probe.db")
        try:
            journal = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
            connection.execute("CREATE VIRTUAL TABLE probe USING fts5(text)")
        except sqlite3.Error as error:
            yield Check(name="sqlite", status="fail", detail=str(error), fix=fix)
            return
        finally:
            connection.close()
    fits = journal == "wal"
    yield Check(
        name="sqlite",
        status="ok" if fits else "fail",
        detail=f"SQLite {sqlite3.sqlite_version}, FTS5, journal mode {journal}",
        fix="" if fits else fix,
    )


def check_content(settings: "Settings") -> Iterator[Check]:
    """What a trace keeps, in plain words."""
    if settings.telemetry.store == "off":
        detail = "nothing is recorded: no traces are stored"
    elif settings.telemetry.content == "none":
        detail = "questions, documents and answers are NOT recorded in traces; times and ids are"
    else:
        detail = "questions, documents and answers ARE recorded in traces"
    yield Check(name="content", status="ok", detail=detail)


def check_otlp() -> Iterator[Check]:
    """Whether spans that are meant to be sent can be sent."""
    wanted = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    name = next((each for each in wanted if os.environ.get(each)), None)
    if name is None:
        yield Check(name="otlp", status="ok", detail="no endpoint set: spans stay on this machine")
        return
    try:
        version = metadata.version("opentelemetry-exporter-otlp-proto-http")
    except metadata.PackageNotFoundError:
        yield Check(
            name="otlp",
            status="warn",
            detail=f"{name} is set, but no exporter is installed: nothing is sent",
            fix="Run `pip install 'fairlead[otlp]'`, or unset it.",
        )
    else:
        yield Check(name="otlp", status="ok", detail=f"{name} is set, exporter {version}")
