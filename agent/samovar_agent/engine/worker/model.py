"""A model in memory: its weights, its vocabulary, and what its file says about it. What computes is `context`."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from functools import cached_property
from typing import Any

from samovar_agent.engine.worker.fill import FillTokens
from samovar_agent.engine.worker.interrupt import Interrupt
from samovar_agent.engine.worker.library import Log, low_level


class Model:
    """Weights and vocabulary.

    - path: the GGUF file. - interrupt: stops loading. - on_progress: gets 0 to 1.
    - llama, pointer, vocabulary: llama.cpp's functions, and its handles of the model and its vocabulary.
    Raises `load_failed` or `model_unsupported` with what llama.cpp said. Reading the vocabulary is safe in any thread.
    """

    def __init__(self, path: str, interrupt: Interrupt, on_progress: Callable[[float], None]) -> None:
        self.llama = llama = low_level()
        self.log = Log(llama)
        llama.llama_backend_init()
        parameters = llama.llama_model_default_params()
        parameters.load_mode = llama.LLAMA_LOAD_MODE_MMAP

        @llama.llama_progress_callback  # type: ignore[untyped-decorator]
        def progressed(progress: float, _: object) -> bool:
            on_progress(progress)
            return not interrupt

        parameters.progress_callback = progressed
        self.pointer = llama.llama_model_load_from_file(os.fsencode(path), parameters)
        if not self.pointer:
            raise self.log.failure("load the model")
        self.vocabulary: Any = llama.llama_model_get_vocab(self.pointer)
        self.vocabulary_size: int = llama.llama_vocab_n_tokens(self.vocabulary)
        self.runtime = f"llama.cpp {llama.llama_version().decode()}"

    @property
    def build(self) -> str:
        """What exactly runs it: saved states are only good for the same."""
        return f"{self.runtime} {self.llama.llama_print_system_info().decode()}"

    @property
    def embeds(self) -> bool:
        """Whether it gives vectors or scores instead of text: its file says how to pool, or it reads in no order."""
        architecture = self.metadata("general.architecture")
        pooling = self.metadata(f"{architecture}.pooling_type") or "0"
        return pooling != "0" or self.metadata(f"{architecture}.attention.causal") == "false"

    def metadata(self, key: str) -> str | None:
        """A value from the model's file, as text; None where it has none."""
        buffer = ctypes.create_string_buffer(256)
        length = self.llama.llama_model_meta_val_str(self.pointer, key.encode(), buffer, len(buffer))
        return None if length < 0 else buffer.value.decode("utf-8", "replace")

    @property
    def recurrent(self) -> bool:
        """Whether it keeps one running state, wholly or in some layers, that cannot go back."""
        llama = self.llama
        return bool(llama.llama_model_is_recurrent(self.pointer) or llama.llama_model_is_hybrid(self.pointer))

    @property
    def window(self) -> int:
        """How far its sliding-window layers look back, in tokens; 0 where it has none."""
        return int(self.llama.llama_model_n_swa(self.pointer))

    @property
    def trained_context(self) -> int:
        """Tokens of context that it was trained for."""
        return int(self.llama.llama_model_n_ctx_train(self.pointer))

    @property
    def chat_template(self) -> str | None:
        """The model's own, from its file."""
        source = self.llama.llama_model_chat_template(self.pointer, None)
        return source.decode("utf-8", "replace") if source else None

    @property
    def bos(self) -> int:
        """The token that begins a text; negative where there is none."""
        return int(self.llama.llama_vocab_bos(self.vocabulary))

    @property
    def bos_text(self) -> str:
        """What a template writes to begin."""
        return self._token_text(self.bos)

    @property
    def eos_text(self) -> str:
        """What a template writes to end a turn."""
        return self._token_text(self.llama.llama_vocab_eos(self.vocabulary))

    @cached_property
    def end_tokens(self) -> frozenset[int]:
        """All tokens that end the model's turn."""
        ends = self.llama.llama_vocab_is_eog
        return frozenset(token for token in range(self.vocabulary_size) if ends(self.vocabulary, token))

    @cached_property
    def fill_tokens(self) -> FillTokens | None:
        """The markers for filling in the middle; None where the model lacks one of those that it takes."""
        llama, vocabulary = self.llama, self.vocabulary
        prefix, suffix, middle = (
            int(token(vocabulary))
            for token in (llama.llama_vocab_fim_pre, llama.llama_vocab_fim_suf, llama.llama_vocab_fim_mid)
        )
        if min(prefix, suffix, middle) < 0:
            return None
        repository, separator, padding = (
            int(token(vocabulary))
            for token in (llama.llama_vocab_fim_rep, llama.llama_vocab_fim_sep, llama.llama_vocab_fim_pad)
        )
        return FillTokens(
            prefix=prefix,
            suffix=suffix,
            middle=middle,
            repository=repository if repository >= 0 else None,
            separator=separator if separator >= 0 else None,
            others=(padding,) if padding >= 0 else (),
        )

    @cached_property
    def can_join(self) -> bool:
        """Whether llama.cpp's sampler for filling in works: it ends a text with one of these, and aborts without."""
        llama, vocabulary = self.llama, self.vocabulary
        return max(int(llama.llama_vocab_eot(vocabulary)), int(llama.llama_vocab_eos(vocabulary))) >= 0

    def is_end(self, token: int) -> bool:
        """Whether the model ends its turn with this token."""
        return bool(self.llama.llama_vocab_is_eog(self.vocabulary, token))

    def tokenize(self, text: str, *, special: bool, bos: bool = False, around: bool = False) -> list[int]:
        """The tokens of a text.

        - special: markers such as `<|im_start|>` become single tokens; False for text from people, who must not be
        able to write them. - bos: begin with BOS where the model wants one and the text does not have it already.
        - around: put around it all that the model wants to read around a text.
        """
        llama, data = self.llama, text.encode("utf-8", "replace")
        room = len(data) + 8
        while True:
            tokens = (llama.llama_token * room)()
            count = llama.llama_tokenize(self.vocabulary, data, len(data), tokens, room, around, special)
            if count >= 0:
                break
            room = -count
        result: list[int] = tokens[:count]
        if bos and self.bos >= 0 and llama.llama_vocab_get_add_bos(self.vocabulary) and result[:1] != [self.bos]:
            result.insert(0, self.bos)
        return result

    def piece(self, token: int, *, special: bool = False) -> bytes:
        """A token's bytes. - special: those of a marker too, which otherwise are none."""
        llama, size = self.llama, 64
        while True:
            buffer = ctypes.create_string_buffer(size)
            length = llama.llama_token_to_piece(self.vocabulary, token, buffer, size, 0, special)
            if length >= 0:
                return buffer.raw[:length]
            size = -length

    def close(self) -> None:
        """Free it."""
        self.llama.llama_model_free(self.pointer)

    def _token_text(self, token: int) -> str:
        if token < 0:
            return ""
        text: bytes | None = self.llama.llama_vocab_get_text(self.vocabulary, token)
        return (text or b"").decode("utf-8", "replace")
