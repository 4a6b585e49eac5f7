"""The settings that gates go by, checked before the first document."""

import json
from pathlib import Path
from typing import Any

import pytest

from fairlead.errors import SettingsError
from fairlead.retrieval.gates import Rules
from fairlead.sections import Collection, Guard


def rules(guard: Guard | None = None, **section: Any) -> Rules:
    return Rules.of(Collection.model_validate(section), guard or Guard())


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "objekt"}, 'metadata is none: "objekt"'),
        ({"properties": {"a": {"minimum": "x"}}}, "metadata is none"),
    ],
)
def test_what_is_no_schema_is_said(schema: Any, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        rules(schema=schema)


def test_a_schema_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "schema.json"
    path.write_text("\ufeff" + json.dumps({"required": ["year"]}), encoding="utf-8")
    assert rules(schema=str(path)).schema == {"required": ["year"]}
    path.write_text("{", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"cannot read the JSON Schema '.*schema\.json'"):
        rules(schema=str(path))
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(SettingsError, match="is an object"):
        rules(schema=str(path))
    with pytest.raises(SettingsError, match="No such file"):
        rules(schema=str(tmp_path / "missing.json"))


def test_another_rule_is_another_digest() -> None:
    given: list[Rules] = [
        rules(),
        rules(Guard(pii="mask")),
        rules(Guard(pii="block")),
        rules(Guard(pii_entities=("email",))),
        rules(Guard(secrets="flag")),
        rules(Guard(instructions="block")),
        rules(Guard(hidden_text="block")),
        rules(fields={"year": "number"}),
        rules(fields={"year": "string"}),
        rules(schema={"required": ["a"]}),
        rules(schema={"required": ["b"]}),
        rules(languages=["de"]),
        rules(min_chars=5),
        rules(max_chars=5),
    ]
    assert len({each.digest for each in given}) == len(given)
    assert rules().digest == rules().digest


def test_rules_that_change_no_document_change_no_digest() -> None:
    """Duplicates are compared anew each time; nothing is read again for them."""
    others = rules(Guard(duplicates="block", near_duplicate=0.8)), rules(chunker="window")
    assert {each.digest for each in others} == {rules().digest}


def test_languages_are_compared_without_case() -> None:
    assert rules(languages=["DE", "pt-BR"]).languages == ("de", "pt")
