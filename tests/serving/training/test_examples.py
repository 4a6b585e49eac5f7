"""Reading a file of training data: good lines, bad lines, limits, the digest."""

import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.errors import InputError
from fairlead.serving.training import examples
from fairlead.serving.training.examples import ContentDigest, DataFile
from fairlead.serving.training.forms import example_of
from tests.serving.training.conftest import Write, chat, different


def bad_lines(data: DataFile) -> list[tuple[int, str, str]]:
    found: list[tuple[int, str, str]] = []
    list(data.examples(lambda *bad: found.append(bad)))
    return found


def test_every_bad_line_is_told_with_its_number(write: Write) -> None:
    data = write([*different(2), "", "{no", *different(1), '{"prompt": 1}', "  ", "\ufeff{}"])
    assert [each.line for each in data.examples(lambda *_: None)] == [1, 2, 5]
    assert [(line, code) for line, code, _ in bad_lines(data)] == [
        (4, "json"),
        (6, "form"),
        (8, "json"),
    ]


def test_without_a_listener_the_first_bad_line_is_an_error(write: Write) -> None:
    with pytest.raises(InputError, match=r"line 2 of .*neither 'messages'"):
        list(write([chat("a", "b"), "{}", "{"]).examples())


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"prompt": "a", "completion": "b"}\r\n{"prompt": "\xff"}\n')
    data = DataFile(path=path)
    assert [each.line for each in data.examples(lambda *_: None)] == [1]
    assert bad_lines(data) == [(2, "json", "byte 13 is no UTF-8")]


def test_an_endless_line_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examples, "LINE_LIMIT", 100)
    path = tmp_path / "data.jsonl"
    good = json.dumps(chat("a", "b"))
    path.write_text("x" * 1234 + f"\n{good}\n")
    data = DataFile(path=path)
    (found,) = data.examples(lambda *_: None)
    assert found.line == 2 and found.place == 1235
    assert bad_lines(data) == [(1, "line_length", "over 100 bytes")]


def test_reading_ends_after_very_many_bad_lines(write: Write) -> None:
    data = write(["{"] * 1500)
    assert len(bad_lines(data)) == examples.BAD_LIMIT


def test_a_file_that_cannot_be_read_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="No such file"):
        list(DataFile(path=tmp_path / "none").examples())
    with pytest.raises(InputError, match="Is a directory"):
        list(DataFile(path=tmp_path).examples())
    monkeypatch.setattr(examples, "FILE_LIMIT", 3)
    (tmp_path / "big").write_text("{}{}")
    with pytest.raises(InputError, match="has 4 bytes, over 3"):
        list(DataFile(path=tmp_path / "big").examples())


def test_one_example_is_read_again_by_its_place(write: Write) -> None:
    data = write(["", *different(3), chat("ä" * 50, "ö"), chat("last", "one")])
    for each in data.examples():
        assert data.at(each.place, each.line) == each
    with pytest.raises(InputError, match="line 2"):
        data.at(4, 2)


def test_memory_does_not_grow_with_the_file(write: Write) -> None:
    data = write(chat(f"question {n} " * 20, "answer " * 20) for n in range(4000))
    tracemalloc.start()
    assert sum(1 for _ in data.examples()) == 4000
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 500_000 < data.path.stat().st_size


def digest(data: DataFile) -> str:
    whole = ContentDigest()
    for each in data.examples():
        whole.add(each.content())
    return whole.hex()


def test_the_digest_is_of_the_content_in_its_order(write: Write) -> None:
    lines = different(5)
    given = digest(write(lines))
    loose = [json.dumps(dict(reversed(each.items())), indent=None) + " \r" for each in lines]
    assert digest(write(["", *loose, ""])) == given
    assert digest(write(reversed(lines))) != given
    assert digest(write(lines[:4])) != given


@given(st.lists(st.text(), min_size=2, max_size=2), st.lists(st.text(), min_size=2, max_size=2))
def test_different_texts_have_different_content(one: list[str], other: list[str]) -> None:
    def content(texts: list[str]) -> bytes:
        value = {"prompt": f"q{texts[0]}", "completion": f"a{texts[1]}"}
        return example_of(value, line=1).content()

    assert (content(one) == content(other)) == (one == other)
