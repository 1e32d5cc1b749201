"""Headers of sound files, and files that are none."""

import ctypes
import os
import threading
from pathlib import Path

import pytest

from samovar_agent.models.gguf import read_header
from samovar_agent.models.gguf_tables import TENSOR_TYPES
from samovar_protocol import FailureCode
from tests.samovar_agent.models.broken_gguf import patched, path, refused
from tests.samovar_agent.models.gguf_files import (
    CHAT_TEMPLATE,
    F16,
    F32,
    Q4_0,
    Q4_K,
    encode_header,
    llama,
    write_gguf,
)

__all__ = ["path"]


class TestFacts:
    def test_of_a_small_llama(self, path: Path) -> None:
        header = read_header(write_gguf(path))
        assert (header.version, header.architecture, header.name, header.kind) == (3, "llama", "Tiny", "model")
        assert (header.parameters, header.tensor_count) == (2 * 64 * 32, 2)
        assert (header.quantization, header.context_length, header.vocabulary_size) == ("F16", 512, 4)
        assert (header.block_count, header.embedding_length, header.feed_forward_length) == (2, 64, 128)
        assert (header.head_count, header.head_count_kv, header.head_counts_kv) == (4, 2, (2, 2))
        assert (header.key_length, header.value_length) == (16, 16)
        assert header.tensor_bytes == 64 * 32 * 4 + 64 * 32 * 2
        assert header.file_bytes == path.stat().st_size
        assert (header.chat_template, header.capabilities) == (CHAT_TEMPLATE, ["chat"])
        assert (header.sliding_window, header.pooling_type, header.recurrent, header.split_count) == (
            None,
            None,
            False,
            1,
        )

    def test_version_2_and_another_alignment(self, path: Path) -> None:
        tensors = [("a", (33,), F32), ("b", (32,), Q4_0), ("c", (256, 3), Q4_K)]
        header = read_header(write_gguf(path, tensors=tensors, version=2, alignment=64))
        assert header.version == 2
        assert header.tensor_bytes == 33 * 4 + 18 + 3 * 144

    def test_heads_for_each_layer(self, path: Path) -> None:
        header = read_header(write_gguf(path, llama(head_count=[4, 8], head_count_kv=[0, 4])))
        assert (header.head_count, header.head_counts_kv, header.head_count_kv) == (8, (0, 4), 4)

    def test_heads_default_to_those_of_attention(self, path: Path) -> None:
        assert read_header(write_gguf(path, llama(head_count_kv=None))).head_counts_kv == (4, 4)

    def test_stated_head_lengths_win(self, path: Path) -> None:
        metadata = llama() | {"llama.attention.key_length": 128, "llama.attention.value_length": 64}
        header = read_header(write_gguf(path, metadata))
        assert (header.key_length, header.value_length) == (128, 64)

    def test_what_is_not_said_is_none(self, path: Path) -> None:
        header = read_header(write_gguf(path, {"general.architecture": "x"}))
        assert (header.name, header.quantization, header.context_length, header.vocabulary_size) == (None,) * 4
        assert header.head_counts_kv == ()

    def test_unknown_quantization_is_none(self, path: Path) -> None:
        assert read_header(write_gguf(path, llama(file_type=999))).quantization is None

    def test_windows_and_states(self, path: Path) -> None:
        metadata = llama() | {"llama.attention.sliding_window": 128, "llama.ssm.state_size": 16}
        header = read_header(write_gguf(path, metadata))
        assert (header.sliding_window, header.recurrent) == (128, True)

    @pytest.mark.parametrize(
        ("metadata", "expected"),
        [
            (llama(chat_template="{% if tools %}{{ tools }}{% endif %}"), ["chat", "tools"]),
            (llama(chat_template="{% if enable_thinking %}<think>{% endif %}"), ["chat", "thinking"]),
            (llama(chat_template=None), ["chat"]),
            (llama(architecture="bert"), ["embedding"]),
            (llama() | {"llama.pooling_type": 3}, ["embedding"]),
            (llama() | {"llama.pooling_type": 4}, ["rerank"]),
            (llama() | {"llama.pooling_type": 0}, ["chat"]),
        ],
    )
    def test_capabilities(self, path: Path, metadata: dict[str, object], expected: list[str]) -> None:
        assert read_header(write_gguf(path, metadata)).capabilities == expected

    @pytest.mark.parametrize(
        "metadata",
        [
            {f"tokenizer.ggml.fim_{place}_token_id": 5 for place in ("pre", "suf", "mid")},
            {f"tokenizer.ggml.{place}_token_id": 5 for place in ("prefix", "suffix", "middle")},
            {"tokenizer.ggml.tokens": ["a", "<|fim_middle|>", "b", "<|fim_prefix|>", "<|fim_suffix|>"]},
            {"tokenizer.ggml.tokens": ["<fim_prefix>", "<fim_suffix>", "<fim_middle>"]},
            {"tokenizer.ggml.tokens": ["<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"]},
        ],
    )
    def test_a_gap_in_a_text(self, path: Path, metadata: dict[str, object]) -> None:
        assert read_header(write_gguf(path, llama() | metadata)).capabilities == ["chat", "fill-in-the-middle"]

    @pytest.mark.parametrize(
        "metadata",
        [
            {f"tokenizer.ggml.fim_{place}_token_id": 5 for place in ("pre", "suf")},
            {"tokenizer.ggml.tokens": ["<|fim_prefix|>", "<|fim_suffix|>"]},
            {"tokenizer.ggml.tokens": ["<|fim_prefix|>", "<fim_suffix>", "<fim_middle>"]},
            {"tokenizer.ggml.tokens": ["x<fim_prefix>", "<fim_suffix>y", "<fim_middle>"]},
            {"general.description": "<fim_prefix><fim_suffix><fim_middle>"},
        ],
    )
    def test_no_gap_in_a_text(self, path: Path, metadata: dict[str, object]) -> None:
        assert read_header(write_gguf(path, llama() | metadata)).capabilities == ["chat"]

    @pytest.mark.parametrize("before", range(0, 40, 3))
    def test_a_token_at_the_end_of_what_is_read_at_once(self, path: Path, before: int) -> None:
        fim = ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"]
        filler = ["x" * 1016] * 1023  # with its length 1024 each: the window of a megabyte ends near the tokens
        tokens = [*filler, "y" * (400 + before), *fim * 40]
        assert "fill-in-the-middle" in read_header(write_gguf(path, llama(tokens=tokens))).capabilities

    @pytest.mark.parametrize(
        ("metadata", "modalities"),
        [
            ({"general.architecture": "clip"}, ("vision",)),
            ({"general.architecture": "clip", "clip.has_vision_encoder": True}, ("vision",)),
            ({"general.architecture": "clip", "clip.has_audio_encoder": True}, ("audio",)),
            (
                {"general.architecture": "clip", "clip.has_vision_encoder": True, "clip.has_audio_encoder": True},
                ("vision", "audio"),
            ),
            ({"general.architecture": "clip", "clip.has_vision_encoder": False}, ()),
            ({"general.architecture": "qwen2vl"}, ("vision",)),
            ({"general.architecture": "gemma3", "gemma3.vision.block_count": 27}, ("vision",)),
            (llama(), ()),
        ],
    )
    def test_what_it_sees_and_hears(self, path: Path, metadata: dict[str, object], modalities: tuple[str, ...]) -> None:
        assert read_header(write_gguf(path, metadata)).modalities == modalities

    def test_of_a_part(self, path: Path) -> None:
        header = read_header(write_gguf(path, llama() | {"split.count": 3, "split.no": 0}, tensors=[]))
        assert (header.split_count, header.split_index, header.tensor_bytes) == (3, 0, 0)

    def test_of_a_file_larger_than_any_memory(self, path: Path) -> None:
        header = read_header(write_gguf(path, tensors=[("output.weight", (2**18, 2**20), F16)]))
        assert header.file_bytes > header.tensor_bytes == 2**39
        assert path.stat().st_blocks * 512 < 1024 * 1024

    def test_text_that_is_not_utf8(self, path: Path) -> None:
        write_gguf(path, llama(name="Abcd"))
        assert read_header(patched(path, b"Abcd", b"A\xffcd")).name == "A\ufffdcd"


def test_sizes_of_tensor_types_are_those_of_ggml() -> None:
    from llama_cpp._ggml import libggml

    libggml.ggml_type_size.restype = ctypes.c_size_t
    libggml.ggml_blck_size.restype = ctypes.c_int64
    for kind, (_, elements, size) in TENSOR_TYPES.items():
        assert libggml.ggml_blck_size(kind) == elements
        assert libggml.ggml_type_size(kind) == size


class TestNotAModel:
    def test_missing(self, path: Path) -> None:
        assert str(path) in refused(path, FailureCode.MODEL_FILE_MISSING)
        refused(path / "below", FailureCode.MODEL_FILE_MISSING)

    def test_below_a_file(self, path: Path) -> None:
        write_gguf(path)
        refused(path / "below", FailureCode.MODEL_FILE_MISSING)

    def test_empty(self, path: Path) -> None:
        path.touch()
        assert refused(path) == "tiny.gguf is empty."

    @pytest.mark.parametrize("data", [b"G", b"GGUf" + bytes(100), b"<html>" * 100, bytes(5000)])
    def test_something_else(self, path: Path, data: bytes) -> None:
        path.write_bytes(data)
        assert refused(path) == "tiny.gguf is not a GGUF file."

    def test_a_folder(self, path: Path) -> None:
        path.mkdir()
        assert "is a folder" in refused(path)

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
    def test_a_pipe_that_nobody_writes_to(self, path: Path) -> None:
        os.mkfifo(path)
        outcome: list[str] = []
        thread = threading.Thread(target=lambda: outcome.append(refused(path)), daemon=True)
        thread.start()
        thread.join(10)
        assert outcome and "not a regular file" in outcome[0]

    def test_a_nul_in_the_name(self) -> None:
        refused(Path("a\0b.gguf"))

    def test_unreadable(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def denied(*_: object) -> int:
            raise PermissionError(13, "Permission denied")

        write_gguf(path)
        monkeypatch.setattr(os, "open", denied)  # permissions themselves do not bind root
        assert "could not be read: Permission denied" in refused(path)

    def test_a_name_that_is_not_utf8_can_be_sent(self, tmp_path: Path) -> None:
        path = tmp_path / os.fsdecode(b"a\xff\x1b[2J.gguf")
        try:
            path.write_bytes(b"no")
        except OSError:
            pytest.skip("this file system takes UTF-8 only")
        message = refused(path)
        message.encode()
        assert message.isprintable()

    def test_a_vocabulary_only(self, path: Path) -> None:
        assert "no tensors" in refused(write_gguf(path, tensors=[]))

    def test_an_imatrix_that_names_no_architecture(self, path: Path) -> None:
        assert "architecture" in refused(write_gguf(path, {"general.type": "imatrix"}))


class TestTruncated:
    def test_by_one_byte_says_both_sizes(self, path: Path) -> None:
        whole = write_gguf(path).stat().st_size
        write_gguf(path, cut=1)
        assert refused(path) == f"tiny.gguf is truncated: it needs {whole:,} bytes and has {whole - 1:,}."

    def test_anywhere_in_the_header(self, path: Path) -> None:
        header = encode_header(llama(), [("a", (32,), F32)])
        for length in range(1, len(header)):
            path.write_bytes(header[:length])
            refused(path)
