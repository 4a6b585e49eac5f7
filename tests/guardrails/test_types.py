"""What the type checker refuses: a prompt built from what no guard has seen."""

from pathlib import Path

from mypy import api

SNIPPET = """
from fairlead.agents import write_prompt
from fairlead.schema import Hit, Passage, ToolOutput, ToolResult

def build(hits: list[Hit], passages: list[Passage], outputs: list[ToolOutput],
          results: list[ToolResult]) -> None:
    write_prompt("q", {passages}, {results})
"""


def check(tmp_path: Path, passages: str, results: str) -> tuple[str, int]:
    file = tmp_path / "snippet.py"
    file.write_text(SNIPPET.replace("{passages}", passages).replace("{results}", results))
    config = tmp_path / "mypy.ini"
    config.write_text("[mypy]\nplugins = pydantic.mypy\nfollow_imports = silent\n")
    cache = str(tmp_path.parent / "mypy-cache")
    out, _, code = api.run(["--config-file", str(config), "--cache-dir", cache, str(file)])
    return out, code


def test_mypy_refuses_a_prompt_built_from_a_hit(tmp_path: Path) -> None:
    out, code = check(tmp_path, "passages", "results")
    assert code == 0, out
    out, code = check(tmp_path, "hits", "results")
    assert code == 1
    assert 'has incompatible type "list[Hit]"; expected "Sequence[Passage]"' in out
    out, code = check(tmp_path, "passages", "outputs")
    assert code == 1
    assert 'has incompatible type "list[ToolOutput]"; expected "Sequence[ToolResult]"' in out
