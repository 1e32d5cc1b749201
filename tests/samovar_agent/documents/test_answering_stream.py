import re

import pytest

from samovar_agent.documents.answering_sources import Given, Passage, chosen
from samovar_agent.documents.answering_stream import Answer, AnswerStream
from samovar_agent.documents.citations import NOT_FOUND
from samovar_protocol.values import Message, Text

TEXT = "A new furnace hall will open in March 2025. It costs 6.5 million euros. The thief was the baker from Ryazan."
PERU = "What is the capital of Peru?"


def given() -> Given:
    passage = Passage(document=1, name="report.pdf", text=TEXT, start=0, end=len(TEXT))
    return chosen([passage], 10**6, lambda texts: [len(text) for text in texts])


def streamed(reply: str, question: str = PERU) -> tuple[list[str], Answer]:
    """What is shown after each word of a reply, and what it became."""
    stream = AnswerStream(given(), question)
    shown, so_far = [], ""
    for word in re.findall(r"\S+\s*|^\s+", reply):
        so_far += "".join(piece.text for piece in stream.take(Text(text=word)))
        shown.append(so_far)
    answer = stream.end(reply)
    so_far += "".join(piece.text for piece in answer.pieces)
    assert so_far.strip() == answer.text.strip()
    return shown, answer


def test_words_of_the_sources_are_shown_as_they_come() -> None:
    shown, answer = streamed("It is the baker from Ryazan, who came at night.", "Who is the thief?")
    assert shown[3] == ""
    assert shown[5] == "It is the baker from Ryazan, "
    assert shown[6] == "It is the baker from Ryazan, who "
    assert answer.withheld == ""


def test_what_cites_is_shown() -> None:
    shown, answer = streamed("Zebras [1] are stripes.")
    assert shown[:3] == ["", "Zebras [1] ", "Zebras [1] are "]
    assert answer.checked.outcome == "answered"


def test_a_number_that_no_source_has_shows_nothing() -> None:
    shown, answer = streamed("The capital is Lima [7].")
    assert set(shown) == {""}
    assert (answer.text, answer.withheld) == (NOT_FOUND, "The capital is Lima [7].")
    assert answer.checked.unknown == []


def test_what_says_that_the_sources_do_not_tell_is_left_as_it_is() -> None:
    _, answer = streamed("The documents do not mention Peru.")
    assert (answer.text, answer.checked.outcome) == ("The documents do not mention Peru.", "not_found")


def test_what_is_doubtful_is_shown_in_the_end() -> None:
    shown, answer = streamed("Yes.", "Does it open in March?")
    assert set(shown) == {""}
    assert (answer.text, answer.checked.outcome, answer.withheld) == ("Yes.", "uncited", "")


def test_what_was_shown_is_not_taken_back() -> None:
    _, answer = streamed("The baker from Ryazan lives in Lima, Peru, and owns seven llamas, twelve parrots and a boat.")
    assert answer.checked.outcome == "uncited"
    assert answer.text.startswith("The baker")


def over_after(reply: str, question: str = PERU) -> int | None:
    """After how many words nothing else of a reply is of use."""
    stream = AnswerStream(given(), question)
    for number, word in enumerate(re.findall(r"\S+\s*", reply), 1):
        stream.take(Text(text=word))
        if stream.is_over:
            return number
    return None


def test_what_repeats_itself_is_over_soon() -> None:
    after = over_after("It is the baker from Ryazan. " * 200, "Who is the thief?")
    assert after is not None
    assert after <= 64


def test_what_is_made_up_is_not_waited_for_to_its_end() -> None:
    made_up = " ".join(f"Lima lies by {chr(97 + at % 26)}{chr(97 + at // 26)}ville." for at in range(400))
    after = over_after(made_up)
    assert after is not None
    assert 256 <= after <= 320


def test_a_long_answer_from_the_sources_is_not_over() -> None:
    words = " ".join(f"word{chr(97 + at % 26)}{chr(97 + at // 26)}" for at in range(400))
    assert over_after(f"It is the baker from Ryazan [1]. {words}", "Who is the thief?") is None


@pytest.mark.parametrize("mark", ["<source 2", "\n<source 2", "</source"])
def test_the_rest_of_a_sources_mark_is_not_shown(mark: str) -> None:
    _, answer = streamed(f"It is the baker from Ryazan. {mark}", "Who is the thief?")
    assert answer.text == "It is the baker from Ryazan."
    _, answer = streamed(mark.strip())
    assert (answer.text, answer.withheld) == (NOT_FOUND, "")


def test_what_only_begins_like_a_mark_is_shown() -> None:
    stream = AnswerStream(given(), "Who is the thief?")
    pieces = ["It is the baker from Ryazan <", "source", " src='film.mp4'>", " there"]
    shown = ["".join(piece.text for piece in stream.take(Text(text=text))) for text in pieces]
    assert shown == ["", "", "It is the baker from Ryazan <source src='film.mp4'>", " there"]


def test_what_was_said_before_may_be_said_again() -> None:
    history = [Message(role="user", content="My cat is called Minka."), Message(role="assistant", content="Noted.")]
    stream = AnswerStream(given(), "What is the name of my cat?", history)
    assert stream.end("Minka").text == "Minka"
