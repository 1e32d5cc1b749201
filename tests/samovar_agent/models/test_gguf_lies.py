"""Headers that lie: they are refused in no time and take no memory."""

import os
import struct
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from samovar_agent.models.gguf import read_header
from samovar_agent.models.gguf_reader import MAX_KEPT_BYTES, MAX_STRING_BYTES, MAX_STRINGS
from samovar_protocol import FailureCode, SamovarError
from tests.samovar_agent.models.broken_gguf import patched, path, refused
from tests.samovar_agent.models.gguf_files import (
    F32,
    Q4_0,
    encode_header,
    llama,
    text,
    typed,
    write_gguf,
)

__all__ = ["path"]


class TestLyingHeader:
    """Each lie once made some reader allocate, overflow or read past the end."""

    @pytest.mark.parametrize("version", [0, 1, 4, 2**32 - 1])
    def test_unknown_version(self, path: Path, version: int) -> None:
        assert "version" in refused(write_gguf(path, version=version), FailureCode.MODEL_UNSUPPORTED)

    def test_big_endian(self, path: Path) -> None:
        path.write_bytes(b"GGUF" + struct.pack(">IQQ", 3, 0, 0))
        assert "big-endian" in refused(path, FailureCode.MODEL_UNSUPPORTED)

    @pytest.mark.parametrize(("tensors", "values"), [(2**63, 1), (1, 2**64 - 1), (200_001, 1), (1, 10_001)])
    def test_counts(self, path: Path, tensors: int, values: int) -> None:
        path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, tensors, values) + bytes(1000))
        assert "limits" in refused(path)

    @pytest.mark.parametrize("length", [2**64 - 1, 2**63, 5_000_000])
    def test_length_of_a_key(self, path: Path, length: int) -> None:
        path.write_bytes(b"GGUF" + struct.pack("<IQQQ", 3, 1, 1, length) + bytes(1000))
        assert "name of" in refused(path)

    def with_value(self, path: Path, value: bytes) -> Path:
        path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + text("key") + value + bytes(1000))
        return path

    @pytest.mark.parametrize("length", [2**64 - 1, 2**63, 10_000])
    def test_length_of_a_text(self, path: Path, length: int) -> None:
        assert "'key'" in refused(self.with_value(path, struct.pack("<IQ", 8, length)))

    def test_a_text_over_the_limit(self, path: Path) -> None:
        self.with_value(path, struct.pack("<IQ", 8, MAX_STRING_BYTES + 1))
        os.truncate(path, 3 * MAX_STRING_BYTES)
        assert "limit" in refused(path)

    @pytest.mark.parametrize("value", [bytes(4_000_000), [0.5] * 8000], ids=["texts", "numbers"])
    def test_values_that_together_would_fill_the_memory(self, path: Path, value: object) -> None:
        count = MAX_KEPT_BYTES // 300_000
        write_gguf(path, llama() | {f"key{number}": value for number in range(count)})
        tracemalloc.start()
        try:
            assert "texts and numbers in its header" in refused(path)
            assert tracemalloc.get_traced_memory()[1] < 2 * MAX_KEPT_BYTES
        finally:
            tracemalloc.stop()

    def test_names_that_together_would_fill_the_memory(self, path: Path) -> None:
        count = MAX_KEPT_BYTES // 900
        write_gguf(path, tensors=[(f"{number:01000}", (1,), F32) for number in range(count)])
        assert "texts and numbers in its header" in refused(path)

    @pytest.mark.parametrize("kind", [0, 4, 8, 10])
    @pytest.mark.parametrize("count", [2**64 - 1, 2**61, 2**32])
    def test_count_of_a_list(self, path: Path, kind: int, count: int) -> None:
        assert "more than the file holds" in refused(self.with_value(path, struct.pack("<IIQ", 9, kind, count)))

    @pytest.mark.parametrize("length", [2**64 - 1, 2**63 - 8, 100_000])
    def test_length_of_a_text_in_a_list(self, path: Path, length: int) -> None:
        assert "past the end" in refused(self.with_value(path, struct.pack("<IIQQ", 9, 8, 1, length)))

    def test_lists_in_lists(self, path: Path) -> None:
        value = struct.pack("<IIQ", 9, 9, 1) * 50
        assert "unsupported type 9" in refused(self.with_value(path, value))

    def test_more_texts_than_can_be_walked_in_time(self, path: Path) -> None:
        self.with_value(path, struct.pack("<IIQ", 9, 8, MAX_STRINGS + 1))
        os.truncate(path, 8 * MAX_STRINGS + 10_000)
        assert "texts in its lists" in refused(path)

    @pytest.mark.parametrize("kind", [13, 2**32 - 1])
    def test_unknown_type_of_a_value(self, path: Path, kind: int) -> None:
        assert "unknown type" in refused(self.with_value(path, struct.pack("<I", kind)))

    def test_a_value_twice(self, path: Path) -> None:
        write_gguf(path, llama() | {"general.namf": "Other"})
        assert "twice" in refused(patched(path, b"general.namf", b"general.name"))

    @pytest.mark.parametrize("alignment", [0, 3, 2**31, "32", -32, 32.0, True])
    def test_alignment(self, path: Path, alignment: object) -> None:
        assert "alignment" in refused(write_gguf(path, llama() | {"general.alignment": alignment}))

    @pytest.mark.parametrize(
        "metadata",
        [
            llama(context_length="long"),
            llama(context_length=-1),
            llama(context_length=2**40),
            llama(block_count=True),
            llama(block_count=2**31 - 1),
            llama(embedding_length=64.0),
            llama(head_count=[-4, 4]),
            llama(head_count_kv=[2, 2, 2]),
            llama(name=7),
            llama(architecture=["llama"]),
            llama(architecture=""),
        ],
    )
    def test_facts_of_the_wrong_kind(self, path: Path, metadata: dict[str, object]) -> None:
        refused(write_gguf(path, metadata))

    def tensor(self, path: Path, dimensions: tuple[int, ...], kind: int = F32, offset: int = 0) -> Path:
        header = b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + text("general.architecture") + typed("llama")
        header += text("t") + struct.pack(f"<I{len(dimensions)}Q", len(dimensions), *dimensions)
        path.write_bytes(header + struct.pack("<IQ", kind, offset) + bytes(4096))
        return path

    def test_the_tensor_of_these_tests_is_sound(self, path: Path) -> None:
        assert read_header(self.tensor(path, (32, 2))).parameters == 64

    @pytest.mark.parametrize("dimensions", [(1,) * 5, (1,) * 300])
    def test_dimensions(self, path: Path, dimensions: tuple[int, ...]) -> None:
        assert "dimensions" in refused(self.tensor(path, dimensions))

    @pytest.mark.parametrize("dimensions", [(2**64 - 1,), (2**32, 2**32), (2**63, 2, 0), (2**62, 2**62, 2**62, 2**62)])
    def test_elements_that_overflow(self, path: Path, dimensions: tuple[int, ...]) -> None:
        assert "impossibly large" in refused(self.tensor(path, dimensions))

    @pytest.mark.parametrize("offset", [2**64 - 32, 2**63, 32, 1])
    def test_offset(self, path: Path, offset: int) -> None:
        assert "possible" in refused(self.tensor(path, (32,), offset=offset))

    def test_overlapping_tensors(self, path: Path) -> None:
        header = encode_header(llama(), [("a", (64,), F32), ("b", (64,), F32)])
        path.write_bytes(header[:-8] + struct.pack("<Q", 32) + bytes(4096))
        assert "possible" in refused(path)

    def test_a_tensor_twice(self, path: Path) -> None:
        write_gguf(path, tensors=[("a", (64,), F32), ("a", (64,), F32)])
        assert "twice" in refused(path)

    @pytest.mark.parametrize("kind", [4, 5, 31, 43, 2**32 - 1])
    def test_unknown_tensor_type(self, path: Path, kind: int) -> None:
        assert "unknown type" in refused(self.tensor(path, (32,), kind), FailureCode.MODEL_UNSUPPORTED)

    def test_a_row_that_is_not_whole_blocks(self, path: Path) -> None:
        assert "whole blocks" in refused(self.tensor(path, (33,), Q4_0))

    def test_names_cannot_write_to_a_terminal(self, path: Path) -> None:
        write_gguf(path, tensors=[("\x1b[2Ja", (64,), F32), ("\x1b[2Ja", (64,), F32)])
        assert refused(path).isprintable()


def test_a_vocabulary_of_a_terabyte_is_not_read(path: Path) -> None:
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 10**6)
    path.write_bytes(head)
    with path.open("r+b") as file:  # with holes, so that it takes no room
        for number in range(1000):
            file.seek(len(head) + number * (8 + 2**20))
            file.write(struct.pack("<Q", 2**20))
    os.truncate(path, 2**40)
    assert "bytes of texts in its lists" in refused(path)


def test_a_vocabulary_of_150000_is_read_in_time(path: Path) -> None:
    tokens = [f"token{number:07}" for number in range(151_936)]
    merges = [f"{first} {first}" for first in tokens]
    lists = {"tokenizer.ggml.merges": merges, "tokenizer.ggml.token_type": [1] * len(tokens)}
    write_gguf(path, llama(tokens=tokens) | lists)
    began = time.process_time()
    assert read_header(path).vocabulary_size == 151_936
    assert time.process_time() - began < 0.15  # of this process alone, whoever else is busy


SOUND = encode_header(llama() | {"llama.rope.freq_base": 1e4, "scores": [0.5] * 20}, [("a", (32, 2), F32)]) + bytes(512)


class TestFuzz:
    @staticmethod
    def read(path: Path, data: bytes, size: int | None = None) -> None:
        path.write_bytes(data)
        if size is not None:
            os.truncate(path, size)

        def look() -> None:
            try:
                header = read_header(path)
                assert header.tensor_bytes <= header.file_bytes
            except SamovarError as error:
                assert error.code in (FailureCode.MODEL_FILE_BROKEN, FailureCode.MODEL_UNSUPPORTED)
                str(error).encode()

        def seconds() -> float:
            began = time.thread_time()  # not the clock's: what else runs here is nobody's fault
            look()
            return time.thread_time() - began

        # What another machine on the same processor takes from ours is counted as our thread's; not twice, as a rule.
        assert seconds() < 5 or seconds() < 5
        tracemalloc.start()  # makes it ten times as slow
        try:
            look()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 32 * 1024 * 1024

    @settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        edits=st.lists(st.tuples(st.integers(0, len(SOUND) - 1), st.binary(min_size=1, max_size=8)), max_size=4),
        size=st.none() | st.integers(0, 2**40),
    )
    def test_changed_bytes_and_sizes(self, path: Path, edits: list[tuple[int, bytes]], size: int | None) -> None:
        data = bytearray(SOUND)
        for at, patch in edits:
            data[at : at + len(patch)] = patch
        self.read(path, bytes(data), size)

    @settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        at=st.integers(4, len(SOUND) - 9),
        number=st.sampled_from([2**64 - 1, 2**63, 2**63 - 1, 2**62, 2**32, 2**31, 2**24, 65536, 255, 9, 8, 1, 0]),
        width=st.sampled_from(["<Q", "<I"]),
    )
    def test_extreme_numbers(self, path: Path, at: int, number: int, width: str) -> None:
        patch = struct.pack(width, number & (2 ** (8 * struct.calcsize(width)) - 1))
        self.read(path, SOUND[:at] + patch + SOUND[at + len(patch) :], 2**38)

    @settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        values=st.lists(
            st.tuples(
                st.sampled_from(["general.architecture", "llama.block_count", "split.count", "tokenizer.ggml.tokens"])
                | st.text(max_size=12),
                st.sampled_from([*range(14), 2**32 - 1]),
                st.integers(0, 2**64 - 1) | st.sampled_from([0, 1, 8, 9, 2**31, 2**63]),
                st.binary(max_size=64),
            ),
            max_size=6,
        ),
        nesting=st.integers(0, 200),
        count=st.integers(0, 2**64 - 1),
        size=st.integers(0, 2**40),
    )
    def test_values_whose_lengths_and_nesting_lie(
        self, path: Path, values: list[tuple[str, int, int, bytes]], nesting: int, count: int, size: int
    ) -> None:
        data = b"GGUF" + struct.pack("<IQQ", 3, 1, len(values) + 1)
        for key, kind, number, rest in values:
            data += text(key) + struct.pack("<IQ", kind, number) + rest
        self.read(path, data + text("nested") + struct.pack("<I", 9) + struct.pack("<IQ", 9, count) * nesting, size)

    @settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        lengths=st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 40), max_size=30),
        claimed=st.integers(0, 2**64 - 1) | st.integers(0, 40),
        size=st.none() | st.integers(0, 2**40),
    )
    def test_vocabularies_whose_texts_lie(self, path: Path, lengths: list[int], claimed: int, size: int | None) -> None:
        data = b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + text("tokenizer.ggml.tokens")
        data += struct.pack("<IIQ", 9, 8, claimed)
        self.read(path, data + b"".join(struct.pack("<Q", length) + bytes(min(length, 40)) for length in lengths), size)

    @settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(tail=st.binary(max_size=600))
    def test_anything_after_the_magic(self, path: Path, tail: bytes) -> None:
        self.read(path, b"GGUF\x03\0\0\0" + tail)
