"""What a model is asked beside its work: tokens of texts, texts of tokens, and the prompt that a request would have.

answer_to = answering(model)
answer_to(Tokenization(texts=["Hello"]))    # Tokenized(counts=[1])
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from samovar_agent.engine.interface import (
    Detokenization,
    Detokenized,
    Finding,
    Question,
    Rendering,
    Tokenization,
    Tokenized,
)
from samovar_agent.engine.worker.model import Model
from samovar_agent.engine.worker.prompt import check_tokens, rendered
from samovar_agent.engine.worker.template import ChatTemplate
from samovar_protocol import FailureCode, SamovarError


def answering(model: Model, template: ChatTemplate | None = None) -> Callable[[Question], Finding]:
    """What answers the questions. - template: None where the model holds no conversations. Used by one thread."""

    def answer_to(question: Question) -> Finding:
        match question:
            case Tokenization():
                return _tokenized(model, question)
            case Detokenization():
                return _detokenized(model, question.tokens)
            case Rendering(generation=generation):
                if template is None:
                    raise SamovarError(
                        FailureCode.MODEL_UNSUPPORTED,
                        "This model has no prompts: it writes no text.",
                        hint="Choose a model that can chat.",
                    )
                return rendered(model, template, generation)
            case _:
                assert_never(question)

    return answer_to


def _tokenized(model: Model, wanted: Tokenization) -> Tokenized:
    tokens = [model.tokenize(text, special=wanted.markers, bos=wanted.begin) for text in wanted.texts]
    return Tokenized(counts=[len(each) for each in tokens], tokens=tokens if wanted.listed else [])


def _detokenized(model: Model, tokens: list[int]) -> Detokenized:
    check_tokens(model, tokens)
    pieces = [model.piece(token, special=True) for token in tokens]
    return Detokenized(text=b"".join(pieces).decode("utf-8", "replace"), pieces=pieces)
