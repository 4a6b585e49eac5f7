"""The installed package, used from a folder of its own: `python -P smoke.py DOCUMENTS`."""

import json
import subprocess
import sys
from importlib import resources


def fairlead(*arguments: str) -> dict[str, object]:
    """The JSON document that a command prints."""
    done = subprocess.run(["fairlead", *arguments, "--json"], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"fairlead {' '.join(arguments)}: exit {done.returncode}\n{done.stderr}")
    document: dict[str, object] = json.loads(done.stdout)
    return document


def expect(truth: object, what: str) -> None:
    if not truth:
        sys.exit(f"smoke: {what}")


def main() -> None:
    for package, name in (
        ("fairlead", "py.typed"),
        ("fairlead.serving", "vocab.txt"),
        ("fairlead.agents", "answerer.md"),
        ("fairlead.cli", "templates"),
    ):
        place = resources.files(package).joinpath(name)
        expect(place.is_file() or place.is_dir(), f"{name} is missing from {package}")
    fairlead("version")
    report = fairlead("ingest", sys.argv[1])
    expect(report["documents"]["added"], "nothing was ingested")  # type: ignore[index]
    answer = fairlead("ask", "How many days do I have to return a parcel?")
    expect(answer["status"] == "answered" and answer["citations"], f"no answer: {answer}")
    trace = fairlead("trace", "show", str(answer["trace_id"]))
    expect(len(trace["spans"]) > 3, "the trace has no spans")  # type: ignore[arg-type]
    checks = fairlead("doctor")["checks"]
    expect(checks, "doctor checked nothing")
    sys.stdout.write("the wheel works on its own\n")


if __name__ == "__main__":
    main()
