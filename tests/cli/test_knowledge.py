import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

Run = Callable[..., Result]

POLICIES = """\
{"id": "fr", "text": "Returns in France take 30 days.", "country": "FR", "year": 2025}
{"id": "de", "text": "Returns in Germany take 14 days.", "country": "DE", "year": 2024}
"""


@pytest.fixture(autouse=True)
def words_only(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an embedder, which takes half a second to load."""
    monkeypatch.setenv("FAIRLEAD_RETRIEVAL__EMBEDDER", "none")


@pytest.fixture
def docs(home: Path) -> Path:
    folder = home / "docs"
    folder.mkdir()
    (folder / "mugs.md").write_text("# Mugs\n\nA mug holds 300 ml of tea.\n")
    (folder / "lamps.md").write_text("# Lamps\n\nA lamp needs a bulb.\n")
    return folder


def report(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.stderr
    document: dict[str, Any] = json.loads(result.stdout)
    assert next(iter(document.items())) == ("schema", "fairlead.ingest/1")
    return document


def sources(result: Result) -> list[str]:
    assert result.exit_code == 0, result.stderr
    return [passage["source"] for passage in json.loads(result.stdout)["passages"]]


def test_ingest_reports_what_changed(run: Run, docs: Path) -> None:
    first = report(run("ingest", "docs", "--json"))
    assert first["documents"]["added"] == 2
    assert set(first) >= {"documents", "chunks", "vectors", "rejects", "findings", "index_version"}
    (docs / "mugs.md").write_text("# Mugs\n\nA mug holds 400 ml of tea.\n")
    (docs / "lamps.md").unlink()
    second = report(run("ingest", "docs", "--prune", "--json"))["documents"]
    assert (second["changed"], second["deleted"], second["added"]) == (1, 1, 0)


def test_ingest_for_people(run: Run, docs: Path) -> None:
    (docs / "noise.md").write_bytes(b"\x00\xff")
    shown = run("ingest", "docs")
    assert shown.exit_code == 0
    assert "documents  2 added, 1 rejected" in shown.stdout
    assert "rejected docs/noise.md: is a binary file" in shown.stdout


def test_ingest_takes_its_options(run: Run, docs: Path) -> None:
    given = ["ingest", "docs", "--as", "shop", "--collection", "things", "--tenant", "acme"]
    report(run(*given, "--text-only", "--chunker", "recursive", "--json"))
    shown = run("index", "show", "things", "--tenant", "acme", "--json")
    collection = json.loads(shown.stdout)["collection"]
    assert (collection["name"], collection["tenant"], collection["documents"]) == (
        "things",
        "acme",
        2,
    )
    found = run("search", "tea", "--collection", "things", "--tenant", "acme", "--json")
    assert sources(found)[0] == "shop/mugs.md"
    assert sources(run("search", "tea", "--json")) == []


def test_ingest_from_stdin_names_a_malformed_line_and_goes_on(run: Run, home: Path) -> None:
    lines = POLICIES.replace("\n", "\n{oops\n", 1)
    result = run("ingest", "-", "--json", stdin=lines)
    document = json.loads(result.stdout)
    assert (result.exit_code, document["documents"]["added"]) == (0, 2)
    (reject,) = document["rejects"]
    assert reject["source"] == "stdin#L2" and "malformed JSON" in reject["reason"]


def test_expired_documents_are_not_found(run: Run, docs: Path) -> None:
    report(run("ingest", "docs", "--expires", "2020-01-01", "--json"))
    assert sources(run("search", "tea", "--json")) == []
    assert run("ingest", "docs", "--expires", "someday").exit_code == 2


def test_search_for_people(run: Run, docs: Path) -> None:
    run("ingest", "docs")
    shown = run("search", "tea").stdout
    assert " 1. docs/mugs.md  Mugs\n" in shown and "A mug holds 300 ml of tea." in shown
    assert "confidence" in shown.splitlines()[-1]


def test_search_as_json(run: Run, docs: Path) -> None:
    run("ingest", "docs")
    document = json.loads(run("search", "tea", "-k", "1", "--mode", "sparse", "--json").stdout)
    assert next(iter(document.items())) == ("schema", "fairlead.search/1")
    (passage,) = document["passages"]
    fields = {"passage_id", "document_id", "version", "source", "title", "text", "score", "rank"}
    assert fields | {"metadata"} <= set(passage)
    assert passage["rank"] == 1 and isinstance(document["confidence"], float)
    assert document["timings"]


def test_search_filters(run: Run, home: Path) -> None:
    (home / "policies.jsonl").write_text(POLICIES)
    assert "went into metadata" in run("ingest", "policies.jsonl").stderr
    assert sources(run("search", "returns", "--filter", "country=FR", "--json")) == [
        "policies.jsonl#L1"
    ]
    for filters in (["year<=2024"], ["country in DE,AT"], ["year>=2020", "country!=FR"]):
        options = [option for each in filters for option in ("--filter", each)]
        assert sources(run("search", "returns", *options, "--json")) == ["policies.jsonl#L2"]
    assert len(sources(run("search", "returns", "--filter", "country exists", "--json"))) == 2
    assert run("search", "returns", "--filter", "country").exit_code == 2


def test_search_as_it_was(run: Run, docs: Path) -> None:
    before = json.loads(run("ingest", "docs", "--json").stdout)["index_version"]
    (docs / "mugs.md").write_text("# Mugs\n\nNothing on that drink any more.\n")
    run("ingest", "docs")
    then = json.loads(run("search", "tea", "--as-of", before, "--json").stdout)["passages"]
    assert "300 ml" in then[0]["text"]
    assert sources(run("search", "tea", "--as-of", "2020-01-01T00:00:00Z", "--json")) == []
    assert run("search", "tea", "--as-of", "99999").exit_code == 2
    assert run("search", "tea", "--as-of", "someday").exit_code == 2


@pytest.mark.parametrize("query", ["", " ", "x" * 32_001])
def test_a_query_that_is_none(run: Run, query: str) -> None:
    result = run("search", query, "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"]["code"] == "bad_input"


def test_index_ls(run: Run, docs: Path) -> None:
    assert json.loads(run("index", "ls", "--json").stdout) == {
        "schema": "fairlead.index/1",
        "collections": [],
    }
    run("ingest", "docs")
    run("ingest", "docs", "--collection", "other")
    listed = json.loads(run("index", "ls", "--json").stdout)["collections"]
    assert [each["name"] for each in listed] == ["default", "other"]
    lines = run("index", "ls").stdout.splitlines()
    assert lines[0].split() == ["collection", "documents", "chunks", "vectors", "version"]
    assert lines[1].split()[:4] == ["default", "2", "2", "0"]
    shown = run("index", "show").stdout
    assert "documents" in shown and "embedded" in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["index", "show", "nothing"], "no collection 'nothing'"),
        (["index", "ls", "--tenant", "../x"], "'../x'"),
        (["ingest", "docs", "--collection", "No!"], "'No!'"),
        (["ingest", "docs", "--chunker", "other"], "unknown chunker 'other'"),
        (["ingest", "docs", "docs", "--as", "x"], "'x'"),
    ],
)
def test_names_that_are_wrong(run: Run, docs: Path, arguments: list[str], said: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr and not (docs.parent / ".fairlead").exists()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.mkdir(), "a folder without documents"),
        (lambda path: path.with_suffix(".md").write_bytes(b"\x89PNG\x00"), "is a binary file"),
        (lambda path: path.with_suffix(".md").write_bytes(b"caf\xe9"), "is not UTF-8 text"),
        (lambda path: os.mkfifo(path.with_suffix(".md")), "is no regular file"),
        (lambda path: path.with_suffix(".md").write_bytes(b""), "is empty"),
        (lambda path: path.with_suffix(".jsonl").write_text("{oops\n[]\n"), ".jsonl#L2"),
        (lambda path: None, "no such file or folder"),
    ],
)
def test_nothing_that_can_be_read(
    run: Run, home: Path, make: Callable[[Path], object], said: str
) -> None:
    make(home / "given")
    result = run("ingest", next((path.name for path in home.iterdir()), "given"), "--json")
    assert result.exit_code == 2
    error = json.loads(result.stdout)["error"]
    assert error["code"] == "bad_input" and said in error["message"]
    assert "Traceback" not in result.stderr and not (home / ".fairlead").exists()


@pytest.mark.parametrize(
    "arguments", [["ingest", "docs"], ["search", "tea"], ["index", "ls"], ["index", "show"]]
)
def test_a_file_of_a_newer_version_is_left_alone(
    run: Run, docs: Path, arguments: list[str]
) -> None:
    run("ingest", "docs")
    file = docs.parent / ".fairlead/knowledge/default/default.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 99")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = file.read_bytes()
    result = run(*arguments, "--json")
    assert result.exit_code == 3
    error = json.loads(result.stdout)["error"]
    assert "schema version 99" in error["message"] and "Upgrade" in error["hint"]
    assert file.read_bytes() == before


def test_a_file_that_is_no_database(run: Run, docs: Path) -> None:
    file = docs.parent / ".fairlead/knowledge/default/default.db"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"not a database at all" * 100)
    result = run("search", "tea")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "not a Fairlead database" in result.stderr
    assert file.read_bytes() == b"not a database at all" * 100
