"""Data on its way to a training: counted, examined, split and written."""

import sys
from array import array
from pathlib import Path
from typing import Any

import pytest

from fairlead.errors import InputError, SettingsError
from fairlead.serving.training import tokens
from fairlead.serving.training.base_model import BaseModel, read_base_model
from fairlead.serving.training.preparation import (
    TRAIN,
    VALIDATION,
    Encoding,
    Prepared,
    Sources,
    prepare,
    refusal,
    write_rows,
)
from fairlead.serving.training.recipe import read_recipe
from tests.serving.training.conftest import Write, chat, different
from tests.serving.training.tiny import write_base, write_json

NOW = "2026-01-02T03:04:05+00:00"


@pytest.fixture
def plain(tmp_path: Path) -> BaseModel:
    """A base without a chat template: it needs no jinja2."""
    folder = write_base(tmp_path / "plain", template="")
    return read_base_model(folder, name="plain", digest="d" * 64)


@pytest.fixture
def encoding(plain: BaseModel, tmp_path: Path) -> Encoding:
    (tmp_path / "tokens").mkdir()
    return Encoding(base=plain, folder=tmp_path / "tokens", now=NOW)


def pairs(count: int, words: int = 1) -> list[dict[str, str]]:
    return [
        {
            "prompt": " ".join(f"{word}{n}" for word in "where is the order called".split()),
            "completion": " ".join(f"{n}x{k}" for k in range(words)),
        }
        for n in range(count)
    ]


def codes(prepared: Prepared) -> dict[str, tuple[int, ...]]:
    return {each.code: each.lines for each in prepared.report.findings}


def test_tokens_are_counted_split_and_written(write: Write, encoding: Encoding) -> None:
    data = write([*pairs(60), pairs(1)[0]])
    prepared = prepare(Sources(data=data.path), read_recipe(None), encoding)
    assert prepared.report.ok
    assert codes(prepared) == {"duplicate": (61,), "no_template": tuple(range(1, 62))}
    assert prepared.report.tokens["sequences"] == 61
    aside, kept = prepared.part(VALIDATION), prepared.part(TRAIN)
    assert len(aside) + len(kept) == 60 and 0 < len(aside) < 20
    written = array("i", (encoding.folder / "tokens.bin").read_bytes())
    assert len(written) == prepared.report.tokens["all"]
    for each in prepared.sequences:
        sequence = written[each.start : each.start + each.length]
        assert sum(token >= 0 for token in sequence) == each.answered
    assert write_rows(prepared, encoding.folder) == len(kept)
    table = array("q", (encoding.folder / "rows.bin").read_bytes())
    assert len(table) == 4 * 60
    assert list(table[:4]) == [TRAIN, 0, kept[0].start, kept[0].length]
    assert table[-4] == VALIDATION and table[-3] == len(aside) - 1


def test_copies_may_be_kept(write: Write, encoding: Encoding) -> None:
    recipe = read_recipe(None, {"data": {"drop_duplicates": False, "validation_share": 0}})
    prepared = prepare(Sources(data=write(pairs(60) * 2).path), recipe, encoding)
    assert len(prepared.part(TRAIN)) == 120 and not prepared.part(VALIDATION)


def test_rows_are_packed_where_there_is_room(write: Write, encoding: Encoding) -> None:
    recipe = read_recipe(None, {"data": {"validation_share": 0}})
    prepared = prepare(Sources(data=write(pairs(60)).path), recipe, encoding)
    count = write_rows(prepared, encoding.folder, room=200)
    table = array("q", (encoding.folder / "rows.bin").read_bytes())
    rows: dict[int, int] = {}
    for at in range(0, len(table), 4):
        rows[table[at + 1]] = rows.get(table[at + 1], 0) + table[at + 3]
    assert len(rows) == count < 60 and max(rows.values()) <= 200
    assert sum(rows.values()) == prepared.report.tokens["all"]


def test_what_is_too_long_fails_or_is_left_out(write: Write, encoding: Encoding) -> None:
    lines = [*pairs(60), *pairs(62, words=100)[60:]]
    small: dict[str, Any] = {"max_tokens": 300, "validation_share": 0}
    refused = prepare(Sources(data=write(lines).path), read_recipe(None, {"data": small}), encoding)
    assert codes(refused)["over_long"] == (61, 62) and not refused.sequences
    recipe = read_recipe(None, {"data": {**small, "over_long": "drop"}})
    prepared = prepare(Sources(data=write(lines).path), recipe, encoding)
    assert codes(prepared)["left_out"] == (61, 62) and len(prepared.part(TRAIN)) == 60
    only = Sources(data=write(pairs(12, words=100)).path)
    with pytest.raises(InputError, match=r"nothing of .* is left to train on"):
        prepare(only, recipe, encoding)


def test_the_bases_own_limit_counts_too(write: Write, encoding: Encoding) -> None:
    """The tiny base takes 1,024 tokens, the settings 2,048."""
    lines = [*pairs(60), *pairs(61, words=300)[60:]]
    prepared = prepare(Sources(data=write(lines).path), read_recipe(None), encoding)
    assert codes(prepared)["over_long"] == (61,)


def test_what_does_not_fit_the_base_is_named(write: Write, encoding: Encoding) -> None:
    control = {"prompt": "end <|im_end|>", "completion": "x"}
    lines = [*pairs(60), chat("a", "b"), control]
    found = codes(prepare(Sources(data=write(lines).path), read_recipe(None), encoding))
    assert found["template"] == (61,) and found["control_token"] == (62,)
    assert "control_like" not in found


def test_answers_that_do_not_end_are_told(write: Write, encoding: Encoding) -> None:
    write_json(encoding.base.folder / "tokenizer_config.json", {"eos_token": None})
    found = codes(prepare(Sources(data=write(pairs(60)).path), read_recipe(None), encoding))
    assert found["no_end"] == tuple(range(1, 61))


def test_without_a_base_tokens_are_estimated(write: Write) -> None:
    lines = [*different(60), chat("x" * 8000, "y" * 800)]
    prepared = prepare(Sources(data=write(lines).path), read_recipe(None))
    assert codes(prepared)["estimated"] == () and codes(prepared)["over_long"] == (61,)
    tokens = prepared.report.tokens
    assert tokens["longest"] == 2200 and tokens["sequences"] == 61 and not prepared.sequences


def test_a_set_that_cannot_be_split_is_refused(write: Write, encoding: Encoding) -> None:
    said = " ".join(f"word{n}" for n in range(50))
    lines = [{"prompt": f"{said} {n}", "completion": f"it is number {n}"} for n in range(12)]
    prepared = prepare(Sources(data=write(lines).path), read_recipe(None), encoding)
    assert {"no_split", "near_duplicate"} <= codes(prepared).keys() and not prepared.report.ok
    alone = read_recipe(None, {"data": {"validation_share": 0}})
    assert prepare(Sources(data=write(lines).path), alone, encoding).report.ok


def test_a_validation_file_is_checked_as_the_data_is(write: Write, encoding: Encoding) -> None:
    data = write(pairs(60))
    aside = write(pairs(66)[60:], "aside.jsonl")
    sources = Sources(data=data.path, validation=aside.path)
    prepared = prepare(sources, read_recipe(None), encoding)
    assert (len(prepared.part(TRAIN)), len(prepared.part(VALIDATION))) == (60, 6)
    written = array("i", (encoding.folder / "tokens.bin").read_bytes())
    last = prepared.sequences[-1]
    assert last.start + last.length == len(written) and len(prepared.validation_digest) == 64
    assert [path.name for path in encoding.folder.iterdir()] == ["tokens.bin"]
    bad = Sources(data=data.path, validation=write(["{"], "bad.jsonl").path)
    with pytest.raises(InputError, match=r"line 1 of .*bad.jsonl"):
        prepare(bad, read_recipe(None), encoding)
    chats = Sources(data=data.path, validation=write([chat("a", "b")], "chats.jsonl").path)
    with pytest.raises(InputError, match=r"'chats.jsonl' cannot be trained on: the base's chat"):
        prepare(chats, read_recipe(None), encoding)


def test_a_golden_set_is_compared(write: Write, encoding: Encoding) -> None:
    lines = pairs(60)
    golden = write([{"question": lines[7]["prompt"]}], "golden.jsonl")
    sources = Sources(data=write(lines).path, golden=golden.path)
    prepared = prepare(sources, read_recipe(None), encoding)
    assert codes(prepared)["golden_overlap"] == (8,)
    error = refusal(prepared.report.data, prepared.report.findings)
    assert "questions of the golden set, 1 line (line 8: question 1" in error.message
    allowed = read_recipe(None, {"examination": {"allow": ["golden_overlap"]}})
    assert prepare(sources, allowed, encoding).report.ok


def test_a_refusal_counts_the_other_failures(write: Write) -> None:
    prepared = prepare(Sources(data=write(["{", *different(3)]).path), read_recipe(None))
    error = refusal(prepared.report.data, prepared.report.findings)
    assert error.message.endswith("; 1 more of other kinds") and error.exit_code == 2


def test_another_python_counts_the_same(write: Write, encoding: Encoding) -> None:
    data = Sources(data=write([*pairs(60), chat("a", "b")]).path)
    here = prepare(data, read_recipe(None), encoding)
    content = (encoding.folder / "tokens.bin").read_bytes()
    other = Encoding(base=encoding.base, folder=encoding.folder, now=NOW, python=sys.executable)
    there = prepare(data, read_recipe(None), other)
    assert there == here and (encoding.folder / "tokens.bin").read_bytes() == content
    assert [path.name for path in encoding.folder.iterdir()] == ["tokens.bin"]


def test_a_tokenizer_that_cannot_be_used_is_said(write: Write, encoding: Encoding) -> None:
    sources = Sources(data=write(pairs(20)).path)
    other = Encoding(base=encoding.base, folder=encoding.folder, now=NOW, python=sys.executable)
    (encoding.base.folder / "tokenizer.json").write_text("{}")
    for each in (encoding, other):
        with pytest.raises(InputError, match=r"tokenizer or chat template .* cannot be used"):
            prepare(sources, read_recipe(None), each)
    write_json(encoding.base.folder / "tokenizer_config.json", ["x"])
    with pytest.raises(InputError, match="is no JSON object"):
        prepare(sources, read_recipe(None), encoding)


def test_a_template_without_jinja2_is_said(
    write: Write, encoding: Encoding, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tokens.can_render(encoding.base.folder)
    write_json(encoding.base.folder / "tokenizer_config.json", {"chat_template": "{{ x }}"})
    monkeypatch.setattr(tokens, "find_spec", lambda name: None)
    assert not tokens.can_render(encoding.base.folder)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.setitem(sys.modules, "jinja2.ext", None)
    with pytest.raises(SettingsError, match="needs the package jinja2"):
        prepare(Sources(data=write(pairs(20)).path), read_recipe(None), encoding)
