import random
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from samovar_agent.engine.worker import tokens as module
from samovar_agent.engine.worker.interrupt import Interrupt
from samovar_agent.engine.worker.markers import Breaker, Markers
from samovar_agent.engine.worker.model import Model
from samovar_agent.engine.worker.tokens import KnownTokens, Special, markers_of, seams_of, special_tokens


@pytest.fixture(scope="module", params=["small_model", "gemma_model"])
def model(request: pytest.FixtureRequest) -> Generator[Model]:
    path: Path = request.getfixturevalue(request.param)
    found = Model(str(path), Interrupt(), lambda progress: None)
    yield found
    found.close()


def test_pieces_have_the_tokens_of_the_whole(model: Model) -> None:
    specials = special_tokens(model)
    seams = seams_of(specials)
    hidden = [one.text for one in specials if one.hidden][:12]
    others = [one.text for one in specials if not one.hidden][:40]
    words = [" ", "\n", "\n\n", "  ", "a", "Hello", " world", "été", "日本", "😀", "<", ">", "|", "1", "<b>", "\t"]
    chance = random.Random(7)
    cut = 0
    for _ in range(150):
        text = "".join(chance.choice(chance.choice([words, words, hidden, others or words])) for _ in range(40))
        parts = Breaker(Markers(), seams).parts(text)
        cut += len(parts) - 1
        assert "".join(parts) == text
        assert [one for part in parts for one in model.tokenize(part, special=True)] == model.tokenize(
            text, special=True
        )
    assert cut > 500


def special(text: str, *, hidden: bool = True, eats_left: bool = False) -> Special:
    return Special(text, hidden, eats_left)


def cuts(seams: Markers, text: str) -> int:
    return len(Breaker(Markers(), seams).parts(text)) - 1


def test_where_another_special_token_could_lie_across_no_cut_is_made() -> None:
    assert cuts(seams_of([special("<end>")]), "a<end>b") == 1
    assert cuts(seams_of([special("<end>", eats_left=True)]), "a<end>b") == 0
    assert cuts(seams_of([special("<end>", hidden=False)]), "a<end>b") == 0
    assert cuts(seams_of([special("<end>"), special("a<", hidden=False)]), "a<end>b") == 0
    assert cuts(seams_of([special("<end>"), special("[end]"), special("x<")]), "a<end>[end]b") == 1


def test_markers_are_what_is_hidden_and_what_the_template_marks_with() -> None:
    specials = [special("<end>"), special("<think>", hidden=False), special("<td>", hidden=False)]
    specials.append(special("\n\n", hidden=False))
    markers = markers_of(specials, "x\n\n<think>")
    assert markers.starts("<end><think><td>\n\n") == [0, 5]


def counting(made: list[str]) -> Callable[[str], list[int]]:
    def tokenize(text: str) -> list[int]:
        made.append(text)
        return [len(text)]

    return tokenize


def test_each_piece_is_tokenised_once_and_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    known, tokenize = KnownTokens(), counting(made)
    assert known.of("aa", tokenize) == known.of("aa", tokenize) == [2]
    assert made == ["aa"]
    monkeypatch.setattr(module, "MAX_CHARACTERS", 5)
    known.of("bbb", tokenize)
    known.of("aa", tokenize)
    known.of("c", tokenize)
    assert made == ["aa", "bbb", "c"]
    known.of("bbb", tokenize)
    assert made[3:] == ["bbb"]
