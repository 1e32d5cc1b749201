"""Vocabularies of BERT: from both kinds of files, and what is wrong with some."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from samovar_agent.models import published
from samovar_agent.models.wordpiece import Vocabulary, read_vocabulary
from samovar_protocol import FailureCode, SamovarError
from tests.samovar_agent.models.bert_files import MARKERS, NUMBERS, TOKENS, TinyBert


@pytest.fixture
def bert(tmp_path: Path) -> TinyBert:
    return TinyBert(tmp_path)


def read(bert: TinyBert, size: int = len(TOKENS)) -> Vocabulary:
    return read_vocabulary(bert.folder, size)


def refused(bert: TinyBert, code: FailureCode = FailureCode.MODEL_FILE_BROKEN) -> str:
    with pytest.raises(SamovarError) as caught:
        read(bert)
    assert caught.value.code == code, caught.value
    assert caught.value.hint
    return caught.value.failure.message


def use_lines(bert: TinyBert, lines: list[str] | None = None, end: str = "\n") -> None:
    """Leave `vocab.txt` as the only vocabulary."""
    (bert.folder / "tokenizer.json").unlink(missing_ok=True)
    text = "".join(f"{line}{end}" for line in (TOKENS if lines is None else lines))
    (bert.folder / "vocab.txt").write_bytes(text.encode())


def test_pieces_are_written_as_the_engine_wants_them(bert: TinyBert) -> None:
    vocabulary = read(bert)
    assert vocabulary.tokens[: len(MARKERS)] == MARKERS
    assert vocabulary.kinds[: len(MARKERS)] == ["control"] * len(MARKERS)
    for published_as, written in {"tea": "▁tea", "##pot": "pot", "tea##": "▁tea##", "#": "▁#", "##s": "s"}.items():
        assert vocabulary.tokens[NUMBERS[published_as]] == written
        assert vocabulary.kinds[NUMBERS[published_as]] == "normal"
    markers = (vocabulary.pad, vocabulary.unk, vocabulary.cls, vocabulary.sep, vocabulary.mask)
    assert markers == (0, 1, 2, 3, 4)
    assert (vocabulary.lowercase, vocabulary.strip_accents) == (True, None)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_both_files_say_the_same(bert: TinyBert, end: str) -> None:
    from_tokenizer = read(bert)
    use_lines(bert, end=end)
    assert read(bert) == from_tokenizer


def test_lines_end_only_at_line_ends(bert: TinyBert) -> None:
    use_lines(bert, [*TOKENS[:-2], "\u2028", "\x85"])
    assert read(bert).tokens[-2:] == ["▁\u2028", "▁\x85"]


def test_how_lines_are_normalised_is_said_elsewhere(bert: TinyBert) -> None:
    use_lines(bert)
    bert.write_json("tokenizer_config.json", {"do_lower_case": False, "strip_accents": True})
    vocabulary = read(bert)
    assert (vocabulary.lowercase, vocabulary.strip_accents) == (False, True)
    (bert.folder / "tokenizer_config.json").unlink()
    assert read(bert).lowercase


def test_rows_without_a_token_get_one_that_is_never_used(bert: TinyBert) -> None:
    vocabulary = read(bert, len(TOKENS) + 2)
    assert vocabulary.tokens[-2:] == [f"▁[PAD{len(TOKENS)}]", f"▁[PAD{len(TOKENS) + 1}]"]
    assert vocabulary.kinds[-3:] == ["normal", "unused", "unused"]


def test_an_empty_line_is_no_token(bert: TinyBert) -> None:
    use_lines(bert, [*TOKENS[:-2], "", "", "##z"])
    vocabulary = read(bert, len(TOKENS) + 1)
    assert vocabulary.kinds[-3:] == ["unused", "unused", "normal"]


def test_markers_may_have_names_of_their_own(bert: TinyBert) -> None:
    bert.write_json("tokenizer_config.json", {"cls_token": "the", "sep_token": {"content": "of"}, "pad_token": None})
    vocabulary = read(bert)
    assert (vocabulary.cls, vocabulary.sep, vocabulary.pad) == (NUMBERS["the"], NUMBERS["of"], 0)
    assert vocabulary.tokens[NUMBERS["the"]] == "the"
    assert vocabulary.kinds[NUMBERS["the"]] == "control"


def test_an_added_token_is_one_more(bert: TinyBert) -> None:
    bert.tokenizer["added_tokens"].append({"id": len(TOKENS), "content": "[EXTRA]", "special": True})
    bert.write()
    vocabulary = read(bert, len(TOKENS) + 1)
    assert (vocabulary.tokens[-1], vocabulary.kinds[-1]) == ("[EXTRA]", "control")


def test_no_vocabulary_at_all(bert: TinyBert) -> None:
    use_lines(bert)
    (bert.folder / "vocab.txt").unlink()
    assert "vocab.txt" in refused(bert, FailureCode.MODEL_FILE_MISSING)


def vocab_of(**changes: int) -> dict[str, Any]:
    return {"model": {"type": "WordPiece", "vocab": {**NUMBERS, **changes}}}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (vocab_of(new=len(TOKENS)), f"the number {len(TOKENS)}"),
        (vocab_of(new=-1), "the number -1"),
        (vocab_of(new=5), "two tokens with the number 5"),
        ({"added_tokens": [{"id": 7, "content": "[CLS]", "special": True}]}, "two numbers for its token '[CLS]'"),
        ({"model": {"type": "WordPiece", "vocab": {"the": 0}}, "added_tokens": []}, "lacks the token '[PAD]'"),
        ({"model": {"type": "WordPiece", "vocab": ["the"]}}, "cannot be understood"),
        ({"model": {"type": "WordPiece"}}, "cannot be understood"),
        ({"model": {"type": "WordPiece", "vocab": {"the": "0"}}}, "cannot be understood"),
        ({"added_tokens": 3}, "cannot be understood"),
    ],
)
def test_numbers_that_lie(bert: TinyBert, change: dict[str, Any], word: str) -> None:
    bert.write_json("tokenizer.json", bert.tokenizer | change)
    assert word in refused(bert)


@pytest.mark.parametrize(
    "change",
    [
        {"model": {"type": "BPE", "vocab": {}, "merges": []}},
        {"model": {"type": "Unigram", "vocab": [["a", 0.5]]}},
        {"model": {"type": "WordPiece", "vocab": NUMBERS, "continuing_subword_prefix": "@@"}},
        {"pre_tokenizer": {"type": "Whitespace"}},
        {"pre_tokenizer": None},
        {"normalizer": None},
        {"normalizer": {"type": "Sequence", "normalizers": []}},
        {"normalizer": {"type": "BertNormalizer", "handle_chinese_chars": False}},
    ],
)
def test_other_ways_to_split_are_refused(bert: TinyBert, change: dict[str, Any]) -> None:
    bert.write_json("tokenizer.json", bert.tokenizer | change)
    assert "tokenizer.json" in refused(bert, FailureCode.MODEL_UNSUPPORTED)


def test_two_tokens_with_one_text_would_end_the_engine(bert: TinyBert) -> None:
    use_lines(bert, [*TOKENS[:-1], "##[CLS]"])
    assert "same text" in refused(bert)
    use_lines(bert, [*TOKENS[:-1], "tea"])
    assert "twice" in refused(bert)


def test_text_that_is_no_text(bert: TinyBert) -> None:
    use_lines(bert)
    (bert.folder / "vocab.txt").write_bytes(b"\xff\xfe")
    assert "UTF-8" in refused(bert)


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 200_000, b'{"model": {"vocab": {"\xff": 1}}}'])
def test_what_is_no_json(bert: TinyBert, content: bytes) -> None:
    (bert.folder / "tokenizer.json").write_bytes(content)
    assert "cannot be understood" in refused(bert)


def test_a_file_that_is_too_long(bert: TinyBert, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "MAX_PUBLISHED_BYTES", 100)
    assert "longer" in refused(bert)
