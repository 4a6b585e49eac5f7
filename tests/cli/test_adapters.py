"""`fairlead adapters`: documents, exit statuses, and that a refusal changes nothing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from fairlead.serving.adapters import open_registry
from fairlead.settings import load
from tests.serving.adapters.samples import weights, write_adapter, write_base

Run = Callable[..., Result]
Add = Callable[..., dict[str, Any]]


@pytest.fixture
def add(run: Run, home: Path) -> Add:
    """Adds an adapter with weights of its own; what the document says of it."""
    write_base(home / "tiny")

    def one(seed: int = 0, *options: str, name: str = "support") -> dict[str, Any]:
        folder = write_adapter(home / f"made{seed}", weights(seed=seed))
        return told(run("adapters", "add", f"{folder}", "--name", name, "--base", "tiny", *options))

    return one


def told(result: Result, status: int = 0) -> dict[str, Any]:
    """The document; without `--json` an empty one."""
    assert result.exit_code == status, result.stderr
    if not result.stdout.startswith("{"):
        return {}
    document: dict[str, Any] = json.loads(result.stdout)
    assert next(iter(document)) == "schema"
    return document


def test_a_version_from_its_folder_to_stable_and_back(run: Run, add: Add) -> None:
    first = add(1, "--json", "--data-digest", "abc", "--by", "ada")["adapter"]
    assert (first["name"], first["version"], first["stage"]) == ("support", 1, "draft")
    assert first["base"] == "tiny" and len(first["base_digest"]) == 64
    assert (first["share"], first["scores"], first["data_digest"]) == (0, {}, "abc")
    assert first["served_name"] == f"support-1-{first['digest'][:12]}"
    for stage in ("candidate", "stable"):
        moved = told(run("adapters", "promote", "support@1", "--to", stage, "--json"))["adapter"]
        assert moved["stage"] == stage
    add(2)
    run("adapters", "promote", "support@2", "--to", "candidate")
    canary = told(run("adapters", "canary", "support@2", "--share", "10", "--json"))["adapter"]
    assert (canary["stage"], canary["share"]) == ("canary", 10)
    listed = told(run("adapters", "ls", "--json"))
    assert listed["schema"] == "fairlead.adapters/1"
    rows = [(each["version"], each["stage"], each["share"]) for each in listed["adapters"]]
    assert rows == [(2, "canary", 10), (1, "stable", 90)]
    back = told(run("adapters", "rollback", "support", "--why", "complaints", "--json"))
    assert back["adapter"]["version"] == 2 and back["adapter"]["condemned"] is True
    assert back["stable"]["version"] == 1
    entry = told(run("adapters", "history", "support", "--json"))["history"][0]
    assert (entry["action"], entry["why"]) == ("rolled back", "complaints")


def test_for_people(run: Run, add: Add) -> None:
    add(1)
    assert run("adapters", "promote", "support@1", "--to", "candidate").stdout == (
        "support@1 is candidate\n"
    )
    assert run("adapters", "canary", "support@1", "--share", "2.5").stdout == (
        "support@1 is canary, 2.5 % of new conversations\n"
    )
    lines = run("adapters", "ls").stdout.splitlines()
    assert lines[0].split() == ["adapter", "stage", "share", "digest", "base", "scores"]
    assert lines[1].split()[:4] == ["support@1", "canary", "2.5", "%"]
    shown = run("adapters", "show", "support").stdout
    assert "guard error_rate: e-value 1\n" in shown and "targets" in shown and "added" in shown
    assert "support@1 is retired; none is\n" == run("adapters", "rollback", "support").stdout
    assert "retired, rolled back" in run("adapters", "ls", "support").stdout
    assert "candidate" in run("adapters", "history").stdout
    assert run("adapters", "verify").stdout == "support@1: ok\n"


def test_show_as_json(run: Run, add: Add, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIRLEAD_ROLLOUT__GATES", "{ accuracy = 0.9 }")
    add(1)
    document = told(run("adapters", "show", "support@1", "--json"))
    assert document["adapter"]["version"] == 1
    assert document["measured"]["requests"] == 0
    assert document["readiness"]["ready"] is False
    assert document["readiness"]["gates"] == [{"metric": "accuracy", "least": 0.9, "found": None}]
    assert document["evidence"] == {} and len(document["history"]) == 1


def test_adding_says_every_reason_and_stores_nothing(run: Run, home: Path, add: Add) -> None:
    folder = write_adapter(home / "given", weights(rank=32), r=32)
    (folder / "training_args.bin").write_bytes(b"x")
    result = run("adapters", "add", "given", "--name", "support", "--base", "tiny", "--json")
    error = told(result, 2)["error"]
    assert error["code"] == "bad_input" and "is a pickle" in error["message"]
    (folder / "training_args.bin").unlink()
    result = run("adapters", "add", "given", "--name", "support", "--base", "other")
    assert result.exit_code == 2
    assert "rank 32 is over" in result.stderr and "not 'other'" in result.stderr
    assert told(run("adapters", "ls", "--json"))["adapters"] == []


def test_a_dry_run_stores_nothing(run: Run, home: Path, add: Add) -> None:
    tried = add(1, "--dry-run", "--json")
    assert tried["dry_run"] is True and tried["adapter"]["version"] is None
    assert not (home / ".fairlead").exists()
    (home / "made1").rename(home / "kept")
    again = run("adapters", "add", "kept", "--name", "support", "--base", "tiny", "--json")
    assert told(again)["adapter"]["digest"] == tried["adapter"]["digest"]
    shown = run("adapters", "add", "kept", "--name", "x", "--base", "tiny", "--dry-run")
    assert "largest_norm" in shown.stdout


def test_looking_makes_nothing(run: Run, home: Path) -> None:
    assert told(run("adapters", "ls", "--json"))["adapters"] == []
    assert told(run("adapters", "verify", "--json")) == {
        "schema": "fairlead.adapters/1",
        "ok": True,
        "checks": {},
    }
    assert list(home.iterdir()) == []


def test_adding_twice_adds_once(run: Run, home: Path, add: Add) -> None:
    assert add(1, "--json")["added"] is True
    again = run("adapters", "add", "made1", "--name", "support", "--base", "tiny")
    assert again.stdout == "support@1 is draft: it was there already\n"
    named = run("adapters", "add", "made1", "--name", "other", "--base", "tiny=tiny")
    assert named.exit_code == 0 and not named.stderr
    unsure = run("adapters", "add", "made1", "--name", "third", "--base", "owner/tiny")
    assert unsure.exit_code == 0 and "only the name of the base" in unsure.stderr


def test_a_card_goes_with_it(run: Run, home: Path, add: Add) -> None:
    (home / "card.json").write_text('{"purpose": "replies", "seeds": [1, 2]}')
    assert add(1, "--card", "card.json", "--json")["adapter"]["card"]["seeds"] == [1, 2]
    for text in ("[]", "{", '{"a": '):
        (home / "card.json").write_text(text)
        result = run(
            *("adapters", "add", "made1", "--name", "other", "--base", "tiny"),
            *("--card", "card.json"),
        )
        assert result.exit_code == 2 and "card.json" in result.stderr


def test_gates_and_approvals_have_their_statuses(
    run: Run, home: Path, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIRLEAD_ROLLOUT__APPROVALS", "2")
    monkeypatch.setenv("FAIRLEAD_ROLLOUT__GATES", "{ accuracy = 0.9 }")
    add(1, "--by", "ada")
    run("adapters", "promote", "support@1", "--to", "candidate")
    promote = ("adapters", "promote", "support@1", "--to", "stable", "--json")
    error = told(run(*promote), 6)["error"]
    assert error["code"] == "check_failed" and "accuracy is not recorded" in error["message"]
    registry = open_registry(load().settings)
    registry.score(registry.get("support", 1), {"accuracy": 0.95}, by="eval")
    registry.close()
    error = told(run(*promote), 4)["error"]
    assert error["code"] == "refused" and "0 of 2 approvals" in error["message"]
    assert run("adapters", "approve", "support@1", "--by", "ada").exit_code == 4
    assert not told(run("adapters", "approve", "support@1", "--by", "bob", "--json"))["ready"]
    assert run("adapters", "approve", "support@1", "--by", "bob").exit_code == 0
    assert run(*promote).exit_code == 4
    said = run("adapters", "approve", "support@1", "--by", "cleo", "--note", "read 40 answers")
    assert said.stdout == "support@1 is approved by 2; 2 are needed\n"
    assert told(run(*promote))["adapter"]["stage"] == "stable"


def test_verify_finds_what_was_changed(run: Run, home: Path, add: Add) -> None:
    digest = add(1, "--json")["adapter"]["digest"]
    assert told(run("adapters", "verify", "--json"))["ok"] is True
    file = home / ".fairlead" / "adapters" / digest / "adapter_model.safetensors"
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    for what in ((), ("support",), ("support@1",)):
        document = told(run("adapters", "verify", *what, "--json"), 6)
        assert "no longer what was admitted" in document["checks"]["support@1"][0]
    assert run("adapters", "promote", "support@1", "--to", "candidate").exit_code == 6


def test_verify_looks_at_a_folder(run: Run, home: Path, add: Add) -> None:
    write_adapter(home / "given", use_dora=True)
    document = told(run("adapters", "verify", "given", "--base", "tiny", "--json"), 6)
    (problems,) = document["checks"].values()
    assert problems == ["unsupported: 'use_dora' is computed by no server we know"]
    assert run("adapters", "verify", "./given").exit_code == 2
    write_adapter(home / "good")
    assert run("adapters", "verify", "good", "--base", "tiny").stdout == "good: ok\n"


def test_rm_asks_and_leaves_the_record(run: Run, home: Path, add: Add) -> None:
    add(1)
    assert run("adapters", "rm", "support@1").exit_code == 2
    gone = told(run("adapters", "rm", "support@1", "--yes", "--json"))["adapter"]
    assert gone["removed"] is True
    assert told(run("adapters", "ls", "--json"))["adapters"] == []
    assert len(told(run("adapters", "ls", "--all", "--json"))["adapters"]) == 1
    assert "retired, removed" in run("adapters", "ls", "--all").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "nothing"], "no adapter 'nothing'"),
        (["verify", "nothing"], "no adapter 'nothing'"),
        (["promote", "support@9", "--to", "stable"], "no adapter support@9"),
        (["promote", "support", "--to", "stable"], "names no version"),
        (["promote", "support@1", "--to", "best"], "no stage 'best'"),
        (["promote", "support@1", "--to", "stable"], "cannot become stable"),
        (["promote", "support@1", "--to", "canary"], "needs a share"),
        (["canary", "support@1", "--share", "10"], "cannot become canary"),
        (["rollback", "nothing"], "no adapter 'nothing'"),
        (["rollback", "support"], "neither a canary nor a stable version"),
        (["approve", "support@1", "--by", " "], "nobody's name"),
        (["add", "nowhere", "--name", "x", "--base", "tiny"], "cannot read the folder"),
        (["add", "tiny", "--name", "No!", "--base", "tiny"], "cannot be an adapter's name"),
        (["add", "tiny", "--name", "x", "--base", "./nowhere"], "no folder './nowhere'"),
    ],
)
def test_what_is_wrong_is_said_and_changes_nothing(
    run: Run, add: Add, arguments: list[str], said: str
) -> None:
    add(1)
    before = told(run("adapters", "history", "--json"))
    result = run("adapters", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert told(run("adapters", "history", "--json")) == before
