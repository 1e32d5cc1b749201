"""What a reply must look like: a grammar for llama.cpp, enforced from its first token or from a trigger on.

llama.cpp throws a C++ exception, which would end the process, when it is given a token that its grammar does not
allow. So each token is checked before it is accepted, and what the check is known to miss is kept out here.
"""

from __future__ import annotations

import ctypes
import math
import re
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from samovar_agent.engine.worker.model import Model
from samovar_agent.engine.worker.triggers import Triggers
from samovar_protocol import FailureCode, SamovarError

ACCEPT_SECONDS = 0.25
"""Processor time for one token. Accepting takes microseconds, but grows exponentially with an ambiguous grammar."""

_TOKEN_REFERENCE = re.compile(r'"(?:\\.|[^"\\])*"|\[(?:\\.|[^\]\\])*\]|#[^\r\n]*|(!?<)', re.DOTALL)
_BEHIND_TEXT = "root-behind-text"


class Constraint(msgspec.Struct, frozen=True):
    """A grammar to write under.

        Constraint('root ::= "yes" | "no"')
        Constraint(calls, triggers=("<tool_call>",), reasoning=("<think>", "</think>"))

    - gbnf: llama.cpp's notation, beginning with the rule `root`. - triggers: texts that begin it wherever they are
    written; the grammar must accept them as its beginning. - start_triggers: the same, but only where the reply
    begins, or behind its reasoning. Without any trigger the grammar holds from the first token.
    - reasoning: texts around what the model thinks, where nothing is a trigger. - reasoning_open: whether the prompt
    has begun it already.
    """

    gbnf: str
    triggers: tuple[str, ...] = ()
    start_triggers: tuple[str, ...] = ()
    reasoning: tuple[str, str] | None = None
    reasoning_open: bool = False


class CompiledGrammar:
    """A constraint at work on one reply. Creating it is safe in any thread.

    - active: whether it holds already.
    Raises `bad_request` where llama.cpp cannot read the grammar.
    """

    def __init__(self, model: Model, constraint: Constraint) -> None:
        self._llama, self._model, self._constraint = model.llama, model, constraint
        self._triggers: Triggers | None = None
        if constraint.triggers or constraint.start_triggers:
            self._triggers = Triggers(
                constraint.triggers,
                constraint.start_triggers,
                reasoning=constraint.reasoning,
                reasoning_open=constraint.reasoning_open,
            )
        self.active = self._triggers is None
        if any(found[1] for found in _TOKEN_REFERENCE.finditer(constraint.gbnf)):
            # llama.cpp's check lets a token pass that begins before such a reference, which it then cannot accept.
            raise SamovarError(
                FailureCode.BAD_REQUEST,
                "The grammar names a token in angle brackets, which is not possible here.",
                hint="Write the token's text in quotes instead.",
            )
        self._one = (self._llama.llama_token_data * 1)()
        self._one_array = self._llama.llama_token_data_array(data=self._one, size=1)
        self._handle: Any = self._parse(constraint.gbnf, "root")

    def notice(self, token: int) -> None:
        """Begin to hold if this token, which comes next, completes a trigger."""
        if self._triggers is None or self.active:
            return
        found = self._triggers.feed(token, self._model.piece(token, special=True))
        if found is None:
            return
        text, tokens = found
        initial = self._handle
        if text:
            self._handle = self._parse(
                f"{self._constraint.gbnf}\n{_BEHIND_TEXT} ::= {_literal(text)} root", _BEHIND_TEXT
            )
        else:
            self._handle = self._llama.llama_sampler_clone(initial)
        self.active = self._take(tokens)
        if self.active:
            self._llama.llama_sampler_free(initial)
        else:  # a trigger that the grammar does not begin with says nothing
            self._llama.llama_sampler_free(self._handle)
            self._handle = initial

    def allows(self, token: int) -> bool:
        """Whether this token may come next."""
        one = self._one[0]
        one.id, one.logit = token, 0.0
        self._llama.llama_sampler_apply(self._handle, ctypes.byref(self._one_array))
        return bool(one.logit != -math.inf)

    def mask(self, candidates: Any) -> None:
        """Give all candidates that may not come next a score of minus infinity."""
        self._llama.llama_sampler_apply(self._handle, candidates)

    def accept(self, token: int) -> None:
        """Go on behind a token that is allowed; raises `bad_request` where that begins to take too long."""
        if self._model.is_end(token):
            return
        begun = time.thread_time()
        self._llama.llama_sampler_accept(self._handle, token)
        if time.thread_time() - begun > ACCEPT_SECONDS:
            raise SamovarError(
                FailureCode.BAD_REQUEST,
                "The grammar is too ambiguous: there are too many ways to read the text so far.",
                hint="Let each text be read in one way only, for instance by writing common beginnings once.",
            )

    def fork(self) -> CompiledGrammar:
        """One for another reply, in the state of this one."""
        other = object.__new__(CompiledGrammar)
        other.__dict__.update(self.__dict__)
        other._one = (self._llama.llama_token_data * 1)()
        other._one_array = self._llama.llama_token_data_array(data=other._one, size=1)
        other._triggers = self._triggers and self._triggers.fork()
        other._handle = self._llama.llama_sampler_clone(self._handle)
        return other

    def close(self) -> None:
        """Free it."""
        self._llama.llama_sampler_free(self._handle)

    def _parse(self, gbnf: str, root: str) -> Any:
        handle = self._llama.llama_sampler_init_grammar(self._model.vocabulary, gbnf.encode(), root.encode())
        if not handle:
            raise SamovarError(
                FailureCode.BAD_REQUEST,
                f"llama.cpp cannot read the grammar: {self._model.log.error or 'it gave no reason'}.",
                hint="The worker's log has the details.",
            )
        return handle

    def _take(self, tokens: Sequence[int]) -> bool:
        for token in tokens:
            if not self.allows(token):
                return False
            self.accept(token)
        return True


def _literal(text: str) -> str:
    return '"' + "".join(f"\\U{ord(character):08X}" for character in text) + '"'
