"""How long a start takes, and how much an installation weighs.

    python benchmarks/startup.py [--repeats 5] [--size]

Whole processes, wall clock, after one warm-up each; medians with minimum and maximum. `ask` runs on
the example corpus, ingested beforehand into a temporary folder. `--size` also installs the core
into an empty environment, which takes a while. A report, not a gate: the exit status is 0.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENTS = ROOT / "examples" / "support_desk" / "documents"
QUESTION = "How long do I have to return a parcel in Germany?"
WARM = "import pydantic, pydantic.dataclasses, time; t = time.perf_counter(); "
TOOK = "; print(time.perf_counter() - t)"


def timed(command: Sequence[str], folder: str) -> float:
    """Seconds of wall clock of one process."""
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - began


def printed(code: str, folder: str) -> float:
    """The number that a snippet prints, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=folder, check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def row(name: str, values: Sequence[float], target: str) -> None:
    low, middle, high = min(values), statistics.median(values), max(values)
    print(f"{name:44} {middle:8.3f} {low:8.3f} {high:8.3f}   {target}")


def size() -> None:
    """Installs the core alone and prints what it takes on disk."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        python = Path(folder) / "bin" / "python"
        command = ["uv", "pip", "install", "--quiet", "--python", str(python), "--link-mode=copy"]
        environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        subprocess.run(
            [*command, "-c", str(ROOT / "constraints.txt"), str(ROOT)], check=True, env=environment
        )
        packages = next(Path(folder).glob("lib/python*/site-packages"))
        megabytes = sum(f.lstat().st_size for f in packages.rglob("*") if f.is_file()) / 1e6
        torch = (packages / "torch").exists()
        print(f"{'core installation, MB':44} {megabytes:8.0f} {'':17}   ≤ 350, torch: {torch}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--size", action="store_true", help="also weigh a core installation")
    args = parser.parse_args()
    repeats = range(args.repeats)
    fairlead = str(Path(sys.executable).with_name("fairlead"))
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}")
    print(f"{'seconds':44} {'median':>8} {'min':>8} {'max':>8}   target")
    with tempfile.TemporaryDirectory() as folder:
        ask = [fairlead, "ask", QUESTION]
        timed([fairlead, "ingest", str(DOCUMENTS)], folder)
        for command in ([fairlead, "--help"], ask):
            timed(command, folder)
        imported = [printed(f"{WARM}import fairlead{TOOK}", folder) for _ in repeats]
        row("import fairlead, after pydantic", imported, "≤ 0.050")
        used = [
            printed(f"{WARM}from fairlead import Answer, Principal{TOOK}", folder) for _ in repeats
        ]
        row("from fairlead import Answer, Principal", used, "")
        row("fairlead --help", [timed([fairlead, "--help"], folder) for _ in repeats], "≤ 0.4")
        row("fairlead ask", [timed(ask, folder) for _ in repeats], "≤ 2.5")
        code = "import time; t = time.perf_counter(); import langgraph.graph" + TOOK
        row("  of it, import langgraph.graph alone", [printed(code, folder) for _ in repeats], "")
    if args.size:
        size()


if __name__ == "__main__":
    main()
