"""llama.cpp's own grammar sampler over the small model's vocabulary: what it lets through is what counts."""

import ctypes
import os
import random
from pathlib import Path
from typing import Any

from samovar_agent.engine.worker.library import low_level

CANDIDATES = 1500
"""Tokens that a step of a walk chooses from, besides the short ones; all of them would take ten times as long."""
MAX_TOKENS = 3000
HURRY = 60


class Vocabulary:
    """The tokens of a model, walked at random through a grammar or compared with one."""

    def __init__(self, path: Path) -> None:
        self.llama = llama = low_level()
        self._quiet = llama.llama_log_callback(lambda level, text, data: None)
        llama.llama_log_set(self._quiet, None)
        parameters = llama.llama_model_default_params()
        parameters.vocab_only = True
        self.model = llama.llama_model_load_from_file(os.fsencode(path), parameters)
        assert self.model
        self.handle = llama.llama_model_get_vocab(self.model)
        self.pieces = [self._piece(token) for token in range(llama.llama_vocab_n_tokens(self.handle))]
        self.end: int = llama.llama_vocab_eos(self.handle)
        self._short = [token for token, piece in enumerate(self.pieces) if len(piece) == 1]
        self._words = [token for token, piece in enumerate(self.pieces) if len(piece) > 1]

    def _piece(self, token: int) -> bytes:
        buffer = ctypes.create_string_buffer(256)
        length = self.llama.llama_token_to_piece(self.handle, token, buffer, len(buffer), 0, False)
        return buffer.raw[: max(0, length)]

    def sampler(self, grammar: str) -> Any:
        """None where llama.cpp refuses the grammar."""
        return self.llama.llama_sampler_init_grammar(self.handle, grammar.encode(), b"root")

    def allowed(self, sampler: Any, tokens: list[int]) -> list[int]:
        llama = self.llama
        data = (llama.llama_token_data * len(tokens))(*((token, 0.0, 0.0) for token in tokens))
        array = llama.llama_token_data_array(data, len(tokens), -1, False)
        llama.llama_sampler_apply(sampler, ctypes.byref(array))
        return [one.id for one in data if one.logit == 0.0]

    def walk(self, grammar: str, seed: int) -> str:
        """A random text of the grammar; ends it when it becomes long."""
        sampler = self.sampler(grammar)
        assert sampler, grammar
        chance = random.Random(seed)
        text = b""
        try:
            for count in range(MAX_TOKENS):
                few = [] if count > HURRY else chance.sample(self._words, CANDIDATES)
                open_ = self.allowed(sampler, [self.end, *self._short, *few])
                assert open_, f"nothing may follow {text!r} in\n{grammar}"
                if self.end in open_ and (count > HURRY or len(open_) == 1 or chance.random() < 0.3):
                    return text.decode()
                open_ = [token for token in open_ if token != self.end]
                closing = [token for token in open_ if self.pieces[token][:1] in (b'"', b"}", b"]")]
                if closing and count > HURRY:
                    token = closing[0] if chance.random() < 0.9 else chance.choice(open_)
                elif closing and chance.random() < 0.15:
                    token = chance.choice(closing)
                else:
                    token = chance.choice(open_)
                text += self.pieces[token]
                self.llama.llama_sampler_accept(sampler, token)
        finally:
            self.llama.llama_sampler_free(sampler)
        raise AssertionError(f"no end after {text!r} in\n{grammar}")

    def accepts(self, grammar: str, text: str) -> bool:
        """Whether the grammar allows exactly this text."""
        llama, data = self.llama, text.encode()
        tokens = (llama.llama_token * (len(data) + 8))()
        count = llama.llama_tokenize(self.handle, data, len(data), tokens, len(tokens), False, False)
        sampler = self.sampler(grammar)
        assert sampler, grammar
        try:
            for token in [*tokens[:count], self.end]:
                if not self.allowed(sampler, [token]):
                    return False
                llama.llama_sampler_accept(sampler, token)
        finally:
            llama.llama_sampler_free(sampler)
        return True
