"""Prompts for filling in the middle, of an invented vocabulary, a tiny model with the markers, and a real one."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from samovar_agent.engine.interface import Generation, Infill, SourceFile
from samovar_agent.engine.worker.fill import FillTokens, fill_prompt
from samovar_agent.engine.worker.interrupt import Interrupt
from samovar_agent.engine.worker.line_limits import LimitedLines
from samovar_agent.engine.worker.model import Model
from samovar_agent.engine.worker.prompt import chat_template, prepare, rendered
from samovar_agent.engine.worker.template import ChatTemplate
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import Sampling
from tests.samovar_agent.engine.worker.fake_vocabulary import FakeVocabulary
from tests.samovar_agent.engine.worker.live_loop import LiveLoop
from tests.tiny_models.vocabulary import FILL_MARKERS

MARKERS = ["<PRE>", "<SUF>", "<MID>", "<REP>", "<SEP>", "<PAD>"]
FILES = [SourceFile(name="a.py", text="A" * 50), SourceFile(name="b.py", text="B" * 50)]


def vocabulary(*, project: bool = True) -> FakeVocabulary:
    found = FakeVocabulary(MARKERS, ["<END>"])
    repository, separator = (3, 4) if project else (None, None)
    found.fill_tokens = FillTokens(0, 1, 2, repository, separator, others=(5,))
    return found


def fill(before: str | list[int], after: str, sampling: Sampling | None = None, **infill: Any) -> Generation:
    return Generation(prompt=before, suffix=after, infill=Infill(**infill), sampling=sampling or Sampling())


def text_of(model: FakeVocabulary | Model, tokens: list[int]) -> str:
    return b"".join(model.piece(token, special=True) for token in tokens).decode()


def prompt(generation: Generation, *, project: bool = True, context_length: int | None = None) -> str:
    model = vocabulary(project=project)
    return text_of(model, fill_prompt(model, generation, context_length))


def test_what_is_before_and_after() -> None:
    assert prompt(fill("a = ", "\nprint(a)")) == "<PRE>a = <SUF>\nprint(a)<MID>"
    assert prompt(fill("", "")) == "<PRE><SUF><MID>"
    assert prompt(fill("a", "b", begun="c")) == "<PRE>a<SUF>b<MID>c"


def test_files_with_and_without_markers_of_their_own() -> None:
    files = [SourceFile(name="x.py", text="X"), SourceFile(name="y.py", text="Y")]
    whole = "<REP>project\n<SEP>x.py\nX\n<SEP>y.py\nY\n<SEP>file\n<PRE>a<SUF>b<MID>"
    assert prompt(fill("a", "b", files=files)) == whole
    assert prompt(fill("a", "b", files=files), project=False) == "x.py\nX\n\ny.py\nY\n\n<PRE>a<SUF>b<MID>"


def test_markers_in_texts_are_text() -> None:
    typed = "<PRE><MID><SE<SEP>P><END>"
    model = vocabulary()
    files = [SourceFile(name="<REP>", text="<PAD>")]
    tokens = fill_prompt(model, fill(typed, typed, begun=typed, files=files), None)
    assert [token for token in tokens if token in model.special] == [3, 4, 4, 0, 1, 2]
    assert text_of(model, tokens).endswith(f"<PRE>{typed}<SUF>{typed}<MID>{typed}")


@pytest.mark.parametrize("context_length", range(20, 400, 7))
def test_what_has_no_room_is_left_out_from_the_farthest_on(context_length: int) -> None:
    generation = fill("p" * 99 + "1", "2" + "s" * 99, files=FILES, shorten=True, sampling=Sampling(max_tokens=8))
    model = vocabulary()
    tokens = fill_prompt(model, generation, context_length)
    text = text_of(model, tokens)
    assert len(tokens) <= context_length - min(8, context_length // 4) or context_length < 40
    assert "2s" in text or context_length < 60
    assert text.partition("<SUF>")[0].endswith("1") or context_length < 40
    if "a.py" in text:
        assert "b.py" in text, "the last file matters most"
    if "b.py" in text:
        assert "p" * 99 in text and "s" * 99 in text, "what is around the middle matters more than other files"


def test_everything_stays_where_there_is_room_and_where_nobody_allowed_to_shorten() -> None:
    generation = fill("p" * 100, "s" * 100, files=FILES, shorten=True)
    whole = prompt(fill("p" * 100, "s" * 100, files=FILES))
    assert prompt(generation, context_length=1000) == whole
    assert prompt(fill("p" * 100, "s" * 100, files=FILES), context_length=50) == whole


def test_a_long_text_before_leaves_room_to_that_after_and_the_other_way_round() -> None:
    before = prompt(fill("p" * 1000, "s" * 1000, shorten=True), context_length=200)
    assert 30 <= before.count("s") <= 50 < before.count("p")
    assert prompt(fill("pp", "s" * 1000, shorten=True), context_length=200).count("s") > 100


def test_what_is_far_away_is_not_even_read() -> None:
    class Counting(FakeVocabulary):
        read = 0

        def tokenize(self, text: str, *, special: bool, bos: bool = False) -> list[int]:
            self.read += len(text)
            return super().tokenize(text, special=special, bos=bos)

    model = Counting(MARKERS, ["<END>"])
    model.fill_tokens = FillTokens(0, 1, 2, 3, 4, others=(5,))
    files = [SourceFile(name="far.py", text="F" * 1_000_000), SourceFile(name="near.py", text="N")]
    generation = fill("p" * 1_000_000 + "P", "S" + "s" * 1_000_000, files=files, shorten=True)
    text = text_of(model, fill_prompt(model, generation, 200))
    assert "pP<SUF>Ss" in text
    assert model.read < 20_000


def test_who_cannot_fill_in_says_so() -> None:
    model = FakeVocabulary(MARKERS, ["<END>"])
    with pytest.raises(SamovarError, match="cannot fill in") as caught:
        prepare(model, ChatTemplate(None), fill("a", "b"))
    assert caught.value.code == FailureCode.MODEL_UNSUPPORTED
    assert caught.value.failure.details == {"param": "suffix"}
    with pytest.raises(SamovarError, match="must be a text") as caught:
        prepare(vocabulary(), ChatTemplate(None), fill([1, 2], "b"))
    assert caught.value.code == FailureCode.BAD_REQUEST


def test_markers_end_a_reply() -> None:
    model = vocabulary()
    prepared = prepare(model, ChatTemplate(None), fill("a", "b"))
    assert prepared.stop_tokens == {0, 1, 2, 3, 4, 5, *model.end_tokens}
    assert prepare(model, ChatTemplate(None), fill("a", "b", Sampling(ignore_eos=True))).stop_tokens == set()
    limited = prepare(model, ChatTemplate(None), fill("a", "b", indent=4))
    assert isinstance(limited.parser(0), LimitedLines)


@pytest.fixture(scope="module")
def coder(tiny_coder: Path) -> Generator[Model]:
    found = Model(str(tiny_coder), Interrupt(), lambda progress: None)
    yield found
    found.close()


def test_a_models_own_markers(coder: Model) -> None:
    typed = "x <fim_middle> y<|im_end|>"
    generation = fill(typed, "z", files=[SourceFile(name="f", text="g")])
    tokens = prepare(coder, chat_template(coder), generation).tokens
    known = {coder.tokenize(marker, special=True)[-1]: marker for marker in FILL_MARKERS}
    assert len(known) == len(FILL_MARKERS)
    order = ["<|repo_name|>", "<|file_sep|>", "<|file_sep|>", "<fim_prefix>", "<fim_suffix>", "<fim_middle>"]
    assert [known[token] for token in tokens if token in known] == order
    assert tokens[0] == coder.bos and not set(tokens) & set(coder.tokenize("<|im_end|>", special=True))
    assert "<fim_middle> y<|im_end|>" in text_of(coder, tokens).replace("< fim", "<fim")
    assert rendered(coder, chat_template(coder), generation).tokens == tokens


def test_a_real_model_without_markers_of_its_own(gemma_model: Path) -> None:
    model = Model(str(gemma_model), Interrupt(), lambda progress: None)
    try:
        with pytest.raises(SamovarError) as caught:
            prepare(model, chat_template(model), fill("a", "b"))
        assert caught.value.code == FailureCode.MODEL_UNSUPPORTED
    finally:
        model.close()


def test_replies_of_a_tiny_model(tiny_coder: Path) -> None:
    with LiveLoop(tiny_coder, context_length=256) as loop:
        samplings: list[dict[str, Any]] = [
            {},
            {"temperature": 1.0, "seed": 7},
            {"temperature": 1.0, "top_k": 0, "seed": 7},
        ]
        for joined in (False, True):
            for sampling in samplings:
                id_ = loop.submit("def f(", suffix="return x", infill=Infill(joined=joined), max_tokens=12, **sampling)
                finished = loop.finished(id_)
                assert finished.stats.completion_tokens <= 12
                assert not any(marker in loop.text(id_) for marker in FILL_MARKERS)
        long = loop.submit("a" * 3000, suffix="b" * 3000, infill=Infill(shorten=True), max_tokens=4)
        assert 150 < loop.finished(long).stats.prompt_tokens <= 252
