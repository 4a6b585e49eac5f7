"""How long a process takes to start, and how big an install of the core is.

Every sample is a process of its own, timed from start to exit (`import fairlead`: within it). The
rows take turns, so that a busy moment hits them alike; a round before the first warms the disk
cache. Times are wall clock; `CPU` is user and system time, which says more on a busy machine.

    python benchmarks/startup.py [--runs 7] [--size] [--json]

`--size` also installs the core, as locked in constraints.txt, in an empty environment and weighs
it. The exit status is 0 whatever the figures are: this is a report.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENTS = ROOT / "examples" / "support_desk" / "documents"
QUESTION = "How many days do I have to return a parcel?"
FAIRLEAD = str(Path(sys.executable).with_name("fairlead"))
ADDED = """
import time
from pydantic import BaseModel
wall, cpu = time.perf_counter(), time.process_time()
import fairlead
print(time.perf_counter() - wall, time.process_time() - cpu)
"""
"""Prints the seconds that `import fairlead` adds to a process that has pydantic."""
IMPORT = "import fairlead, beside pydantic"
COMMANDS = {
    IMPORT: [sys.executable, "-P", "-c", ADDED],
    "fairlead --help": [FAIRLEAD, "--help"],
    "fairlead ask": [FAIRLEAD, "ask", QUESTION, "--json"],
    "python -c 'import langgraph.graph'": [sys.executable, "-P", "-c", "import langgraph.graph"],
}
TARGETS = {IMPORT: 50, "fairlead --help": 400, "fairlead ask": 2500}
"""Row → milliseconds that it may take."""
SIZE_TARGET = 350
"""Megabytes (10^6 bytes, byte code included) that an install of the core may take."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One process: milliseconds of wall clock and of CPU."""

    wall: float
    cpu: float


def clean_environment(folder: str) -> dict[str, str]:
    """The environment without anything that would change Fairlead's settings."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("FAIRLEAD_", "OTEL_"))}
    return {**kept, "XDG_CONFIG_HOME": folder}


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * 1000


def measure(name: str, folder: str) -> Sample:
    """Runs a row's command in a folder; raises CalledProcessError when it fails."""
    environment = clean_environment(folder)
    before, began = _cpu_of_children(), time.perf_counter()
    done = subprocess.run(
        COMMANDS[name], cwd=folder, env=environment, check=True, capture_output=True
    )
    wall = (time.perf_counter() - began) * 1000
    if name == IMPORT:
        wall, cpu = (float(part) * 1000 for part in done.stdout.split())
        return Sample(wall=wall, cpu=cpu)
    return Sample(wall=wall, cpu=_cpu_of_children() - before)


def measure_all(runs: int) -> dict[str, list[Sample]]:
    """Row → one sample per round. A row that fails says so on stderr and is left out."""
    found: dict[str, list[Sample]] = {}
    with tempfile.TemporaryDirectory(prefix="fairlead-startup-") as folder:
        for name in COMMANDS:
            try:
                if name == "fairlead ask":
                    _ingest(folder)
                measure(name, folder)
                found[name] = []
            except (OSError, subprocess.CalledProcessError) as error:
                said = getattr(error, "stderr", None) or str(error).encode()
                print(f"{name} failed: {said.decode(errors='replace')}", file=sys.stderr)
        for _ in range(runs):
            for name, samples in found.items():
                samples.append(measure(name, folder))
    return found


def _ingest(folder: str) -> None:
    command = [FAIRLEAD, "ingest", str(DOCUMENTS)]
    environment = clean_environment(folder)
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)


def row(name: str, samples: list[Sample]) -> dict[str, object]:
    """One line of the table."""
    walls = [sample.wall for sample in samples]
    return {
        "row": name,
        "ms": round(statistics.median(walls), 1),
        "min": round(min(walls), 1),
        "max": round(max(walls), 1),
        "cpu_ms": round(statistics.median(sample.cpu for sample in samples), 1),
        "target": TARGETS.get(name),
    }


def weigh() -> dict[str, object]:
    """Installs the core in an empty folder: its megabytes, its packages, and whether torch came."""
    with tempfile.TemporaryDirectory(prefix="fairlead-size-") as name:
        folder = Path(name)
        build = [sys.executable, "-m", "build", "--outdir", str(folder / "dist"), str(ROOT)]
        subprocess.run(build, check=True, capture_output=True)
        (wheel,) = (folder / "dist").glob("*.whl")
        site = folder / "site"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(site)]
        lock = str(ROOT / "constraints.txt")
        subprocess.run([*pip, "--constraint", lock, str(wheel)], check=True)
        packages = {path.name.partition("-")[0] for path in site.glob("*.dist-info")}
        size = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
        return {
            "megabytes": round(size / 1e6, 1),
            "packages": len(packages),
            "torch": "torch" in packages,
            "target": SIZE_TARGET,
        }


def report(table: list[dict[str, object]], size: dict[str, object] | None) -> None:
    """Prints the machine, the table and, where it was weighed, the install."""
    print(
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f},"
        f" Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    )
    print(f"{'milliseconds':36} {'median':>8} {'min':>8} {'max':>8} {'CPU':>8} {'target':>8}")
    for line in table:
        target = f"≤ {line['target']}" if line["target"] else ""
        print(
            f"{line['row']:36} {line['ms']:>8} {line['min']:>8} {line['max']:>8}"
            f" {line['cpu_ms']:>8} {target:>8}"
        )
    if size:
        torch = "with torch" if size["torch"] else "no torch"
        print(
            f"core install: {size['megabytes']} MB (target ≤ {size['target']}),"
            f" {size['packages']} packages, {torch}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--size", action="store_true", help="also install the core and weigh it")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    table = [row(name, samples) for name, samples in measure_all(max(1, args.runs)).items()]
    size = weigh() if args.size else None
    if args.json:
        print(json.dumps({"load": os.getloadavg(), "rows": table, "size": size}, indent=1))
    else:
        report(table, size)


if __name__ == "__main__":
    main()
