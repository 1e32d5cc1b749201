"""Headers of safetensors, sound ones and those that lie."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samovar_agent.models import safetensors
from samovar_agent.models.safetensors import open_safetensors
from samovar_protocol import FailureCode, SamovarError
from tests.samovar_agent.models.bert_files import claim, write_raw, write_safetensors


def refused(path: Path, code: FailureCode = FailureCode.MODEL_FILE_BROKEN) -> str:
    with pytest.raises(SamovarError) as caught, open_safetensors(path):
        pass
    assert caught.value.code == code, caught.value
    assert caught.value.hint
    return caught.value.failure.message


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


def test_tensors_are_found_where_they_lie(path: Path) -> None:
    tensors: dict[str, npt.NDArray[Any]] = {
        "b": np.arange(6, dtype=np.float32).reshape(2, 3),
        "a": np.array([7], dtype=np.int64),
        "empty": np.zeros((0, 3), dtype=np.float16),
        "scalar": np.array(2.5, dtype=np.float32),
    }
    write_safetensors(path, tensors)
    with open_safetensors(path) as weights:
        assert {name: (entry.dtype, entry.shape) for name, entry in weights.entries.items()} == {
            "b": ("F32", (2, 3)),
            "a": ("I64", (1,)),
            "empty": ("F16", (0, 3)),
            "scalar": ("F32", ()),
        }
        for name, entry in weights.entries.items():
            assert weights.read(entry, 0, entry.length) == tensors[name].tobytes()
        assert weights.read(weights.entries["b"], 8, 12) == tensors["b"].tobytes()[8:20]


def test_the_order_in_the_header_does_not_matter(path: Path) -> None:
    write_raw(path, {"b": claim("U8", [1], 1, 2), "a": claim("U8", [1], 0, 1)}, b"ab")
    with open_safetensors(path) as weights:
        assert weights.read(weights.entries["b"], 0, 1) == b"b"


@pytest.mark.parametrize("cut", [1, 100, 103, 108, 5000])
def test_a_truncated_file(path: Path, cut: int) -> None:
    write_safetensors(path, {"a": np.zeros(25, dtype=np.float32)})
    data = path.read_bytes()
    path.write_bytes(data[: max(0, len(data) - cut)])
    assert "truncated" in refused(path)


def test_a_length_that_is_no_length(path: Path) -> None:
    assert "limit" in refused(write_raw(path, {}, b"", length=2**63))
    assert "limit" in refused(write_raw(path, {}, b"", length=safetensors.MAX_HEADER_BYTES + 1))
    assert "truncated" in refused(write_raw(path, {}, b"", length=3))


@pytest.mark.parametrize(
    ("header", "word"),
    [
        ({"a": claim("U8", [4], 0, 4), "b": claim("U8", [4], 2, 6)}, "overlaps"),
        ({"a": claim("U8", [4], 0, 4), "b": claim("U8", [4], 0, 4)}, "overlaps"),
        ({"a": claim("U8", [4], 0, 4), "b": claim("U8", [4], 5, 9)}, "gap"),
        ({"a": claim("U8", [4], 1, 5)}, "gap"),
        ({"a": claim("U8", [4], 0, 4)}, "belong to no tensor"),
        ({"a": claim("U8", [40], 0, 40)}, "truncated"),
        ({"a": claim("F32", [4], 0, 4)}, "whose shape is"),
        ({"a": claim("U8", [5], 0, 4)}, "whose shape is"),
        ({"a": claim("U8", [4], 4, 0)}, "whose shape is"),
        ({"a": claim("U8", [2**32, 2**32], 0, 4)}, "whose shape is"),
        ({"a": claim("U8", [-4], 0, 4)}, "cannot be understood"),
        ({"a": claim("U8", [4], -4, 0)}, "cannot be understood"),
        ({"a": claim("U8", [2**70], 0, 4)}, "cannot be understood"),
        ({"a": claim("U8", [1] * 9, 0, 1)}, "cannot be understood"),
        ({"a": {"dtype": "U8", "shape": [4]}}, "cannot be understood"),
        ({"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 2, 4]}}, "cannot be understood"),
        ({"a": {"dtype": "U8", "shape": [4.0], "data_offsets": [0, "4"]}}, "cannot be understood"),
        ({"a": {"dtype": 8, "shape": [4], "data_offsets": [0, 4]}}, "cannot be understood"),
        ({"a": None}, "cannot be understood"),
    ],
)
def test_offsets_and_shapes_that_lie(path: Path, header: dict[str, object], word: str) -> None:
    assert word in refused(write_raw(path, header, b"12345678"))


@pytest.mark.parametrize("header", [b"", b"{", b"[]", b"null", b'{"a":' + b"[" * 100_000, b"\xff\xfe", b'{"\xff": 1}'])
def test_a_header_that_is_no_such_json(path: Path, header: bytes) -> None:
    assert "cannot be understood" in refused(write_raw(path, header, b""))


def test_a_name_that_is_there_twice(path: Path) -> None:
    one, other = (json.dumps(claim("U8", [4], first, first + 4)) for first in (0, 4))
    header = f'{{"a": {one}, "a": {other}}}'.encode()
    assert "gap" in refused(write_raw(path, header, b"12345678"))


def test_a_type_that_nobody_knows_yet(path: Path) -> None:
    write_raw(path, {"a": claim("F4", [8], 0, 4)}, b"1234")
    assert "F4" in refused(path, FailureCode.MODEL_UNSUPPORTED)


def test_too_many_tensors(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safetensors, "MAX_TENSORS", 2)
    write_raw(path, {name: claim("U8", [0], 0, 0) for name in "abc"}, b"")
    assert "3 tensors" in refused(path)


def test_what_is_no_file(tmp_path: Path) -> None:
    refused(tmp_path / "missing", FailureCode.MODEL_FILE_MISSING)
    assert "regular" in refused(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        assert "regular" in refused(tmp_path / "pipe")


def test_a_file_that_shrinks_while_it_is_read(path: Path) -> None:
    write_safetensors(path, {"a": np.zeros(2_000_000, dtype=np.float32)})
    with open_safetensors(path) as weights:
        os.truncate(path, 1_000_000)
        entry = weights.entries["a"]
        with pytest.raises(SamovarError) as caught:
            weights.read(entry, 0, entry.length)
    assert caught.value.code == FailureCode.MODEL_FILE_BROKEN


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_damage_gets_past(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever a damaged file says, each tensor that it gives can be read."""
    path = tmp_path_factory.getbasetemp() / "damaged.safetensors"
    write_safetensors(path, {"a": np.zeros((2, 3), dtype=np.float32), "b": np.ones(4, dtype=np.float16)})
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)) | st.just(len(content)))])
    try:
        _read_all(path)
    except SamovarError as error:
        assert error.code in (FailureCode.MODEL_FILE_BROKEN, FailureCode.MODEL_UNSUPPORTED)


def _read_all(path: Path) -> None:
    with open_safetensors(path) as weights:
        for entry in weights.entries.values():
            weights.read(entry, 0, entry.length)
