"""Grammars over the small model: what is written is what they allow, and nothing ends the process."""

import re
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from samovar_agent.engine.worker.candidates import Candidates
from samovar_agent.engine.worker.constraint import CompiledGrammar, Constraint
from samovar_agent.engine.worker.grammar import check_grammar
from samovar_protocol import FailureCode, SamovarError
from tests.samovar_agent.engine.worker.one_sequence import OneSequence

pytestmark = pytest.mark.model

STORY = "Tell me a story about a river."
GREEDY: dict[str, Any] = {"temperature": 0}
WILD: dict[str, Any] = {"seed": 5, "temperature": 1.5, "top_k": 0, "top_p": 1.0, "min_p": 0.0}


@pytest.fixture(scope="module")
def sequence(small_model: Path) -> Generator[OneSequence]:
    made = OneSequence(small_model)
    yield made
    made.close()


@pytest.fixture
def begun(sequence: OneSequence) -> OneSequence:
    sequence.begin(STORY)
    return sequence


@pytest.mark.parametrize("sampling", [GREEDY, {"seed": 5}, WILD, {"seed": 1, "dry_multiplier": 1.0, "typical_p": 0.9}])
@pytest.mark.parametrize(
    ("grammar", "expected"),
    [
        ('root ::= "yes" | "no"', r"yes|no"),
        ('root ::= [0-9]{4} "-" [0-9]{2}', r"\d{4}-\d\d"),
        ("root ::= [а-яё]{3,8}", r"[а-яё]{3,8}"),
        ('root ::= "😀" [\\U0001F600-\\U0001F64F]{2} "é"', r"😀[😀-🙏]{2}é"),
        ('root ::= "名前：" [^a-zA-Z\\n]{1,6} "。"', r"名前：[^a-zA-Z\n]{1,6}。"),
        ('root ::= "<|im_start|>" [a-z]{5}', r"<\|im_start\|>[a-z]{5}"),
    ],
)
def test_a_reply_is_what_the_grammar_allows_and_then_ends(
    begun: OneSequence, grammar: str, expected: str, sampling: dict[str, Any]
) -> None:
    check_grammar(grammar)
    text = begun.write(begun.sampler(grammar=Constraint(grammar), **sampling), 60).decode()
    assert re.fullmatch(expected, text), text


def test_the_best_that_is_allowed_is_chosen_as_if_all_were_checked(begun: OneSequence) -> None:
    """The likeliest are looked at first; whether that is enough must not show."""
    grammar = Constraint("root ::= ([A-Z] [a-z]{0,6} [0-9])+")
    sampler, compiled = begun.sampler(grammar=grammar, **GREEDY), CompiledGrammar(begun.model, grammar)
    candidates = Candidates.of(begun.model)
    for _ in range(8):
        best: list[int] = []

        def look(array: Any, best: list[int] = best) -> None:
            compiled.mask(array)
            scores = candidates.scores(array)[1::3].tolist()
            best.append(scores.index(max(scores)))

        candidates.visit(begun.pointer, -1, look)
        assert [begun.sample(sampler)] == best
        compiled.accept(best[0])
        begun.compute(best)
    compiled.close()
    sampler.close()


def test_min_p_counts_from_the_best_that_is_allowed(begun: OneSequence) -> None:
    begun.begin(STORY, reply="The river is about 2")
    grammar = Constraint("root ::= [0-9]")
    scores = begun.scores()
    digits = [scores[begun.model.tokenize(str(digit), special=False)[0]] for digit in range(10)]
    near = {digit for digit in range(10) if digits[digit] >= max(digits) - 2.302}
    assert 1 < len(near) < 10
    drawn = set()
    for seed in range(60):
        sampler = begun.sampler(grammar=grammar, seed=seed, min_p=0.1, top_p=1.0, top_k=0, temperature=3.0)
        drawn.add(int(begun.model.piece(begun.sample(sampler))))
        sampler.close()
    assert len(drawn) > 1
    assert drawn <= near


def test_the_same_seed_writes_the_same_under_a_grammar(begun: OneSequence) -> None:
    texts = []
    for seed in (1, 1, 2):
        begun.begin(STORY)
        sampler = begun.sampler(grammar=Constraint('root ::= ([a-z]+ " ")+'), seed=seed, temperature=1.0)
        texts.append(begun.write(sampler, 12))
    assert texts[0] == texts[1] != texts[2]


def test_logprobs_are_the_models_own_also_where_the_grammar_decides(begun: OneSequence) -> None:
    unlikely = begun.model.tokenize("7", special=False)[0]
    expected = begun.sampler(**GREEDY).logprobs(begun.pointer, -1, unlikely, 5)
    sampler = begun.sampler(grammar=Constraint('root ::= "7"'), **GREEDY)
    assert begun.sample(sampler) == unlikely
    assert sampler.logprobs(begun.pointer, -1, unlikely, 5) == expected
    assert expected.logprob < expected.top[4].logprob
    sampler.close()


@pytest.mark.parametrize("sampling", [GREEDY, WILD])
def test_a_grammar_that_nothing_satisfies_ends_the_reply(begun: OneSequence, sampling: dict[str, Any]) -> None:
    sampler = begun.sampler(grammar=Constraint('root ::= "\\x00"'), **sampling)
    for _ in range(3):
        assert begun.model.is_end(begun.sample(sampler))
        assert sampler.exhausted
    sampler.close()


def test_a_complete_grammar_ends_the_reply_even_where_ends_are_ignored(begun: OneSequence) -> None:
    sampler = begun.sampler(grammar=Constraint('root ::= "yes"'), ignore_eos=True, **GREEDY)
    assert begun.write(sampler, 20) == b"yes"
    assert sampler.exhausted
    plain = begun.sampler(grammar=Constraint('root ::= "yes"'), **GREEDY)
    begun.begin(STORY)
    assert begun.write(plain, 20) == b"yes"
    assert not plain.exhausted


def test_penalties_without_bound_still_leave_what_the_grammar_wants(begun: OneSequence) -> None:
    """The penalty for the only letter allowed soon is infinite."""
    sampler = begun.sampler(
        grammar=Constraint('root ::= "ab"{12}'), dry_multiplier=100.0, dry_base=100.0, repeat_penalty=100.0, seed=1
    )
    assert begun.write(sampler, 100) == b"ab" * 12


@pytest.mark.parametrize("gbnf", ["root ::= (", "root = 1", 'rot ::= "a"', "root ::= other"])
def test_what_is_no_grammar_is_refused(begun: OneSequence, gbnf: str) -> None:
    with pytest.raises(SamovarError) as caught:
        begun.sampler(grammar=Constraint(gbnf))
    assert caught.value.code == FailureCode.BAD_REQUEST
    assert "grammar" in caught.value.failure.message


@pytest.mark.parametrize("gbnf", ['root ::= "a" !<[5]> "c"', "root ::= [^]<]* <[2]>", "root ::= <|im_end|>"])
def test_tokens_in_angle_brackets_would_end_the_process(begun: OneSequence, gbnf: str) -> None:
    """llama.cpp lets `ab` pass for `"a" !<[5]>`, and then throws when it is accepted."""
    with pytest.raises(SamovarError) as caught:
        begun.sampler(grammar=Constraint(gbnf))
    assert caught.value.code == FailureCode.BAD_REQUEST
    assert "angle brackets" in caught.value.failure.message


def test_angle_brackets_as_text_are_no_tokens(begun: OneSequence) -> None:
    grammar = 'root ::= "<[5]>\\"<" [!<"] # <[5]>\n'
    check_grammar(grammar)
    assert re.fullmatch(
        r'<\[5\]>"<[!<"]', begun.write(begun.sampler(grammar=Constraint(grammar), **GREEDY), 20).decode()
    )


def test_a_grammar_that_can_be_read_in_too_many_ways_is_given_up(begun: OneSequence) -> None:
    letter = begun.model.tokenize("a", special=False)[0]
    sampler = begun.sampler(
        grammar=Constraint('root ::= "a" root "b" | "a" root "c" | "d"'), temperature=0, logit_bias={letter: 100.0}
    )
    begin = time.monotonic()
    with pytest.raises(SamovarError) as caught:
        begun.write(sampler, 40)
    assert caught.value.code == FailureCode.BAD_REQUEST
    assert "ambiguous" in caught.value.failure.message
    assert time.monotonic() - begin < 20


def free_text(begun: OneSequence, count: int = 24) -> str:
    text = begun.write(begun.sampler(**GREEDY), count).decode()
    begun.begin(STORY)
    return text


def test_a_lazy_grammar_begins_with_its_trigger_and_not_before(begun: OneSequence) -> None:
    text = free_text(begun)
    word = text.split()[5]
    before = text[: text.index(word)]
    sampler = begun.sampler(grammar=Constraint(f'root ::= "{word}" ":" [0-9]{{3}}', triggers=(word,)), **GREEDY)
    written = begun.write(sampler, 60).decode()
    assert re.fullmatch(re.escape(before + word) + r":\d{3}", written), written


def test_a_trigger_may_begin_inside_of_a_token(begun: OneSequence) -> None:
    text = free_text(begun)
    word = next(word for word in text.split()[3:] if len(word) > 3)
    end = word[-2:]
    before = text[: text.index(end)]
    sampler = begun.sampler(grammar=Constraint(f'root ::= "{end}" ":" [0-9]{{3}}', triggers=(end,)), **GREEDY)
    written = begun.write(sampler, 60).decode()
    assert re.fullmatch(re.escape(before + end) + r":\d{3}", written), written


def test_a_lazy_grammar_without_its_trigger_changes_nothing(begun: OneSequence) -> None:
    text = free_text(begun)
    sampler = begun.sampler(grammar=Constraint('root ::= "<tool_call>"', triggers=("<tool_call>",)), **GREEDY)
    assert begun.write(sampler, 24).decode() == text


def test_a_trigger_that_the_grammar_does_not_begin_with_says_nothing(begun: OneSequence) -> None:
    compiled = CompiledGrammar(begun.model, Constraint('root ::= "<call>!"', triggers=("call",)))
    for text in ("so", " I", "c", "all"):
        (token,) = begun.model.tokenize(text, special=False)
        compiled.notice(token)
    assert not compiled.active
    compiled.close()


def test_what_does_not_fit_behind_a_trigger_is_not_let_through(begun: OneSequence) -> None:
    """A token that completes the trigger and goes on wrongly is the grammar's to refuse."""
    compiled = CompiledGrammar(begun.model, Constraint('root ::= "(x" "!"', triggers=("(x",)))
    opening, wrong, right = (begun.model.tokenize(text, special=False)[0] for text in ("(", "xt", "x"))
    assert begun.model.piece(wrong) == b"xt"
    compiled.notice(opening)
    compiled.notice(wrong)
    assert compiled.active
    assert not compiled.allows(wrong)
    assert compiled.allows(right)
    compiled.close()


def test_a_start_trigger_does_not_count_later(begun: OneSequence) -> None:
    text = free_text(begun)
    first, later = text.split()[0], text.split()[5]
    begins = begun.sampler(grammar=Constraint(f'root ::= "{first}" "!"', start_triggers=(first,)), **GREEDY)
    assert begun.write(begins, 24).decode() == f"{first}!"
    begun.begin(STORY)
    goes_on = begun.sampler(grammar=Constraint(f'root ::= "{later}" "!"', start_triggers=(later,)), **GREEDY)
    assert begun.write(goes_on, 24).decode() == text


def test_a_fork_has_a_grammar_of_its_own(begun: OneSequence) -> None:
    sampler = begun.sampler(grammar=Constraint('root ::= "1" [0-9] "2" [a-z]'), seed=1)
    begun.compute([begun.sample(sampler)])
    fork = sampler.fork(1)
    assert re.fullmatch(rb"[0-9]2[a-z]", begun.write(sampler, 9))
    begun.begin(STORY, reply="1")
    assert re.fullmatch(rb"[0-9]2[a-z]", begun.write(fork, 9))


def test_bytes_that_are_no_text_are_not_allowed(begun: OneSequence) -> None:
    """Such as a character in more bytes than it needs, of which the first alone is allowed."""
    compiled = CompiledGrammar(begun.model, Constraint("root ::= [\\u0800-\\u0FFF]+"))
    by_piece = {begun.model.piece(token): token for token in range(begun.model.vocabulary_size)}
    lead, follow = by_piece.get(b"\xe0"), by_piece.get(b"\x80")
    assert lead is not None
    assert follow is not None
    assert compiled.allows(lead)
    compiled.accept(lead)
    assert not compiled.allows(follow)
    compiled.close()
