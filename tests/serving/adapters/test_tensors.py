"""Files of tensors: what is read is what was written, and no damage gets through."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.serving.adapters.refusals import Unsound
from fairlead.serving.adapters.tensors import TensorFile, canonical
from tests.serving.adapters.samples import tensor_file, weights

SOUND = tensor_file(weights(layers=1), format="pt")


def opened(folder: Path, content: bytes) -> TensorFile:
    path = folder / "x.safetensors"
    path.write_bytes(content)
    return TensorFile(path)


def with_header(header: object, data: bytes = b"\0" * 16) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(**changes: Any) -> dict[str, Any]:
    return {"dtype": "F32", "shape": [4], "data_offsets": [0, 16], **changes}


def test_arrays_come_back_in_every_type(tmp_path: Path) -> None:
    values = np.array([[0.5, -2.0, 0.0], [1.0, 3.0, -0.25]], np.float32)
    upper = (values.view(np.uint32) >> 16).astype(np.uint16)
    content = tensor_file(
        {"b": ("BF16", upper), "h": ("F16", values.astype(np.float16)), "f": ("F32", values)}
    )
    with opened(tmp_path, content) as file:
        assert list(file.tensors) == ["b", "f", "h"]
        for tensor in file.tensors.values():
            np.testing.assert_array_equal(file.array(tensor), values)


def test_the_canonical_file_depends_on_the_tensors_alone(tmp_path: Path) -> None:
    tensors = weights(layers=1)
    turned = dict(reversed(tensors.items()))
    files = [tensor_file(tensors, format="pt"), tensor_file(turned, format="np", note="other")]
    written = []
    for content in files:
        with opened(tmp_path, content) as file:
            written.append(b"".join(canonical(file)))
    assert written[0] == written[1] != files[0]
    with opened(tmp_path, written[0]) as again:
        assert b"".join(canonical(again)) == written[0]
        for name, (_, array) in tensors.items():
            np.testing.assert_array_equal(again.array(again.tensors[name]), array)


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (b"", "header", "too short"),
        (b"\x80\x04K\x01.", "header", "too short"),
        (struct.pack("<Q", 1 << 40) + b"{}", "header", "over 16777216"),
        (struct.pack("<Q", 900) + b"{}", "header", "says 900 bytes"),
        (with_header(b"\xff\xfe\xfd"), "header", "not sound JSON"),
        (with_header(b"[" * 100_000), "header", "not sound JSON"),
        (with_header([1]), "header", "no JSON object"),
        (with_header({"__metadata__": {"a": 1}, "x": entry()}), "header", "table of strings"),
        (with_header(b'{"x": 1, "x": 2}'), "header", "stands twice"),
        (with_header({"x": 3}), "header", "not described"),
        (with_header({"x": entry(extra=1)}), "header", "not described"),
        (with_header({"a\nb": entry()}), "header", "no usable name"),
        (with_header({"x": entry(dtype="F12")}), "dtype", "unknown type 'F12'"),
        (with_header({"x": entry(dtype=["F32"])}), "dtype", "unknown type"),
        (with_header({"x": entry(shape=[-4])}), "shape", "no sound shape"),
        (with_header({"x": entry(shape=[True, 4])}), "shape", "no sound shape"),
        (with_header({"x": entry(shape=[1] * 9)}), "shape", "no sound shape"),
        (with_header({"x": entry(shape=[1 << 40, 1 << 40])}), "offsets", "does not fill"),
        (with_header({"x": entry(data_offsets=[0, 15])}), "offsets", "does not fill"),
        (with_header({"x": entry(data_offsets=[16, 0])}), "offsets", "does not fill"),
        (with_header({"x": entry(data_offsets=[-16, 0])}), "offsets", "no sound offsets"),
        (with_header({"x": entry(), "y": entry()}), "offsets", "overlaps"),
        (with_header({"x": entry(data_offsets=[8, 24])}), "offsets", "gap before tensor 'x'"),
        (with_header({"x": entry(data_offsets=[1000, 1016])}), "offsets", "gap before"),
        (with_header({"x": entry()}, b"\0" * 12), "offsets", "tensors end at"),
        (with_header({"x": entry()}, b"\0" * 20), "offsets", "tensors end at"),
    ],
)
def test_a_file_that_is_unsound_is_named_so(
    tmp_path: Path, content: bytes, code: str, said: str
) -> None:
    with pytest.raises(Unsound) as caught:
        opened(tmp_path, content)
    assert caught.value.reason.code == code and said in caught.value.message


@given(st.data())
def test_no_damage_raises_anything_else(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Cut, changed or rewritten: it is read as a whole file of tensors, or it is `Unsound`."""
    folder = tmp_path_factory.mktemp("damaged")
    content = bytearray(SOUND)
    kind = data.draw(st.sampled_from(["cut", "flip", "grow", "header"]))
    if kind == "cut":
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    elif kind == "grow":
        content += data.draw(st.binary(min_size=1, max_size=64))
    elif kind == "header":
        changed = data.draw(st.binary(max_size=300))
        content[: 8 + len(changed)] = struct.pack("<Q", len(changed)) + changed
    else:
        for place in data.draw(st.sets(st.integers(0, 500), min_size=1, max_size=8)):
            content[place] ^= data.draw(st.integers(1, 255))
    try:
        with opened(folder, bytes(content)) as file:
            lengths = [tensor.end - tensor.start for tensor in file.tensors.values()]
            header = int.from_bytes(content[:8], "little")
            assert 8 + header + sum(lengths) == len(content)
            for tensor in file.tensors.values():
                assert len(file.content(tensor)) == tensor.end - tensor.start
    except Unsound as error:
        assert error.reason.code in {"header", "dtype", "shape", "offsets"}
