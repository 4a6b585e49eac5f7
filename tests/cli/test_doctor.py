import json
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from fairlead.cli import checks
from fairlead.errors import SettingsError
from fairlead.settings import load

Run = Callable[..., Result]
Checks = dict[str, dict[str, str]]


@pytest.fixture(autouse=True)
def words_only(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an embedder, which takes half a second to load."""
    monkeypatch.setenv("FAIRLEAD_RETRIEVAL__EMBEDDER", "none")


def examined(run: Run, status: int) -> Checks:
    result = run("doctor", "--json")
    document = json.loads(result.stdout)
    assert result.exit_code == status, document
    assert next(iter(document.items())) == ("schema", "fairlead.doctor/1")
    for check in document["checks"]:
        assert set(check) == {"name", "status", "detail", "fix"}
        assert check["detail"] and (check["status"] == "ok") == (check["fix"] == "")
    return {check["name"]: check for check in document["checks"]}


def test_a_fresh_folder_is_fine_and_stays_as_it_is(run: Run, home: Path) -> None:
    found = examined(run, 0)
    assert {"python", "packages", "settings", "storage", "sqlite", "disk", "embedder"} <= set(found)
    assert {"collections", "traces", "content", "otlp", "opentelemetry"} <= set(found)
    assert "FTS5" in found["sqlite"]["detail"] and "NOT recorded" in found["content"]["detail"]
    assert list(home.iterdir()) == []


def test_for_people(run: Run) -> None:
    shown = run("doctor")
    assert shown.exit_code == 0
    assert "✓ python" in shown.stdout and shown.stdout.splitlines()[-1].endswith(" ok")


def test_the_default_embedder_is_loaded_and_tried(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIRLEAD_RETRIEVAL__EMBEDDER", "default")
    assert "MiniLM" in examined(run, 0)["embedder"]["detail"]


def test_missing_weights_are_a_warning(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIRLEAD_RETRIEVAL__EMBEDDER", "default")
    monkeypatch.setattr("fairlead.serving.minilm.model_path", lambda: Path("gone"))
    embedder = examined(run, 0)["embedder"]
    assert embedder["status"] == "warn" and "pip install" in embedder["fix"]


def test_what_is_stored(run: Run, home: Path) -> None:
    (home / "a.md").write_text("# A\n\nSome text.\n")
    run("ingest", "a.md")
    assert examined(run, 0)["collection default/default"]["detail"].startswith("1 documents")


def test_a_collection_that_is_damaged(run: Run, home: Path) -> None:
    file = home / ".fairlead/knowledge/default/default.db"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"not a database at all" * 100)
    found = examined(run, 6)
    assert found["collection default/default"]["status"] == "fail"
    assert found["storage"]["status"] == "ok"


def test_a_traces_file_that_is_damaged(run: Run, home: Path) -> None:
    (home / ".fairlead").mkdir()
    (home / ".fairlead" / "traces.db").write_bytes(b"not a database at all" * 100)
    assert examined(run, 6)["traces"]["status"] == "fail"


def test_a_file_in_place_of_the_storage_folder(run: Run, home: Path) -> None:
    (home / ".fairlead").write_text("")
    assert "is a file" in examined(run, 6)["storage"]["detail"]


def test_settings_that_cannot_work(run: Run, home: Path) -> None:
    (home / "fairlead.toml").write_text("[budgets]\nhopps = 3\n")
    found = examined(run, 6)
    assert "'budgets.hopps'" in found["settings"]["detail"]
    assert found["python"]["status"] == "ok"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("FAIRLEAD_TELEMETRY__CONTENT", "spans", "ARE recorded"),
        ("FAIRLEAD_TELEMETRY__STORE", "off", "no traces are stored"),
    ],
)
def test_what_a_trace_keeps(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    assert said in examined(run, 0)["content"]["detail"]


def without(package: str, monkeypatch: pytest.MonkeyPatch, found: str | None = None) -> None:
    """As if the package were not installed, or in the version `found`."""
    version = metadata.version

    def installed(name: str) -> str:
        if name != package:
            return version(name)
        if found is None:
            raise metadata.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(metadata, "version", installed)


def test_an_endpoint_without_an_exporter(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    without("opentelemetry-exporter-otlp-proto-http", monkeypatch)
    otlp = examined(run, 0)["otlp"]
    assert otlp["status"] == "warn" and "fairlead[otlp]" in otlp["fix"]
    without("opentelemetry-exporter-otlp-proto-http", monkeypatch, "1.45.2")
    assert examined(run, 0)["otlp"]["status"] == "ok"


def test_opentelemetrys_halves_that_do_not_match(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    without("opentelemetry-api", monkeypatch, "1.0")
    check = examined(run, 0)["opentelemetry"]
    assert check["status"] == "warn" and "1.0" in check["detail"]


def test_a_package_that_is_missing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    without("tenacity", monkeypatch)
    assert "missing: tenacity" in examined(run, 6)["packages"]["detail"]


@pytest.mark.parametrize(("free", "status"), [(50_000_000, "fail"), (500_000_000, "warn")])
def test_little_room(home: Path, monkeypatch: pytest.MonkeyPatch, free: int, status: str) -> None:
    usage: Any = type("Usage", (), {"free": free})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    *_, disk = checks.check_storage(load().settings)
    assert (disk.name, disk.status) == ("disk", status) and disk.fix


def test_a_check_that_fails_in_its_own_way_is_a_finding() -> None:
    def ours() -> Any:
        raise SettingsError("no", hint="Do this.")

    def unforeseen() -> Any:
        raise ValueError("odd")

    (first,), (second,) = checks.attempt("a", ours), checks.attempt("b", unforeseen)
    assert (first.status, first.detail, first.fix) == ("fail", "no", "Do this.")
    assert (second.status, second.detail) == ("fail", "ValueError: odd")
