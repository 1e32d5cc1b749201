"""The small part that touches llama.cpp: one model, one context, one sequence.

The package's own `__init__` imports a high-level class with numpy and half of typing behind it, which takes three
times as long as the C library itself; the low-level module needs none of that and is loaded alone.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import math
import os
import secrets
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any

from samovar_agent.engine.interface import LoadOptions
from samovar_agent.engine.worker.interrupt import Interrupt
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import Sampling

CHUNK_TOKENS = 512
"""Prompt tokens in one step. llama.cpp computes them as one graph, so a step happens wholly or not at all."""
TOGETHER_TOKENS = 64
"""From so many tokens in one step on, each comes out the same whatever else is in the step. Below, llama.cpp takes
other kernels, which round differently: enough to change a reply."""
PENALTY_TOKENS = 64
"""How far back the penalties look; llama.cpp's own default."""

_LEVEL_DEBUG, _LEVEL_INFO, _LEVEL_ERROR, _LEVEL_CONTINUED = 1, 2, 4, 5
_ABORTED = 2


def low_level() -> Any:
    """llama.cpp's C functions, without llama-cpp-python's high-level ones."""
    if "llama_cpp" not in sys.modules:
        spec = importlib.util.find_spec("llama_cpp")
        if spec is None or spec.submodule_search_locations is None:
            raise SamovarError(
                FailureCode.LOAD_FAILED, "llama-cpp-python is not installed.", hint="Install Samovar again."
            )
        package = types.ModuleType("llama_cpp")
        package.__path__ = list(spec.submodule_search_locations)
        sys.modules["llama_cpp"] = package
    return importlib.import_module("llama_cpp.llama_cpp")


class Model:
    """A model in memory with the tokens of the last request, which the next one may begin with.

    - interrupt: stops loading and computing. - on_progress: gets 0 to 1.
    Raises `load_failed` or `model_unsupported` with what llama.cpp said.
    """

    def __init__(self, options: LoadOptions, interrupt: Interrupt, on_progress: Callable[[float], None]) -> None:
        self._llama = llama = low_level()
        self._interrupt = interrupt  # llama.cpp keeps a pointer into it
        self._log = _Log(llama)
        llama.llama_backend_init()
        parameters = llama.llama_model_default_params()
        parameters.load_mode = llama.LLAMA_LOAD_MODE_MMAP

        @llama.llama_progress_callback  # type: ignore[untyped-decorator]
        def progressed(progress: float, _: object) -> bool:
            on_progress(progress)
            return not interrupt

        parameters.progress_callback = progressed
        self._model = llama.llama_model_load_from_file(os.fsencode(options.path), parameters)
        if not self._model:
            raise self._load_failure()
        self._vocabulary = llama.llama_model_get_vocab(self._model)
        self._context = self._new_context(options)
        self._memory = llama.llama_get_memory(self._context)
        if not self._memory:
            raise SamovarError(
                FailureCode.MODEL_UNSUPPORTED,
                "This model does not write text; it is for embeddings or ranking.",
                hint="Choose a chat model.",
            )
        self._window = llama.llama_model_n_swa(self._model)
        recurrent = llama.llama_model_is_recurrent(self._model) or llama.llama_model_is_hybrid(self._model)
        if not recurrent:  # a recurrent state that was interrupted half way could not be repaired
            self._abort = ctypes.cast(_c_library().strlen, llama.ggml_abort_callback)
            # Called before each of some thousand graph nodes, so it must be C and not Python. strlen of the flag is
            # false while the flag is an empty string and true when it is one character long.
            llama.llama_set_abort_callback(self._context, self._abort, interrupt.pointer)
        self._array = (llama.llama_token * CHUNK_TOKENS)()
        self._piece = ctypes.create_string_buffer(256)
        self._tokens: list[int] = []
        self._exact = 0
        self._end_tokens: list[int] | None = None
        self.context_length = options.context_length
        self.runtime = f"llama.cpp {llama.llama_version().decode()}"

    def _new_context(self, options: LoadOptions) -> Any:
        llama = self._llama
        parameters = llama.llama_context_default_params()
        parameters.n_ctx = options.context_length
        parameters.n_batch = parameters.n_ubatch = CHUNK_TOKENS
        parameters.n_outputs_max = 1  # only the last token's scores are read; all of a chunk's would be 100 MB and more
        parameters.n_threads = parameters.n_threads_batch = options.threads
        parameters.flash_attn_type = llama.LLAMA_FLASH_ATTN_TYPE_AUTO
        parameters.swa_full = False
        context = llama.llama_init_from_model(self._model, parameters)
        if not context:
            raise self._load_failure()
        return context

    def _load_failure(self) -> SamovarError:
        line = self._log.error
        unsupported = "unknown model architecture" in line or "unsupported" in line
        return SamovarError(
            FailureCode.MODEL_UNSUPPORTED if unsupported else FailureCode.LOAD_FAILED,
            f"llama.cpp could not load the model: {line or 'it gave no reason'}.",
            hint="Update Samovar, or choose another model." if unsupported else "The worker's log has the details.",
        )

    @property
    def chat_template(self) -> str | None:
        """The model's own, from its file."""
        source = self._llama.llama_model_chat_template(self._model, None)
        return source.decode("utf-8", "replace") if source else None

    @property
    def bos_text(self) -> str:
        """What a template writes to begin."""
        return self._token_text(self._llama.llama_vocab_bos(self._vocabulary))

    @property
    def eos_text(self) -> str:
        """What a template writes to end a turn."""
        return self._token_text(self._llama.llama_vocab_eos(self._vocabulary))

    def _token_text(self, token: int) -> str:
        if token < 0:
            return ""
        text: bytes | None = self._llama.llama_vocab_get_text(self._vocabulary, token)
        return (text or b"").decode("utf-8", "replace")

    def tokenize(self, prompt: str) -> list[int]:
        """The tokens of a rendered template: its markers become single tokens, and BOS is there once.

        A template may write BOS itself or leave it to the tokenizer, and twice would spoil the reply.
        """
        llama, text = self._llama, prompt.encode("utf-8", "replace")
        room = len(text) + 8
        while True:
            tokens = (llama.llama_token * room)()
            count = llama.llama_tokenize(self._vocabulary, text, len(text), tokens, room, False, True)
            if count >= 0:
                break
            room = -count
        result: list[int] = tokens[:count]
        bos = llama.llama_vocab_bos(self._vocabulary)
        if llama.llama_vocab_get_add_bos(self._vocabulary) and bos >= 0 and result[:1] != [bos]:
            result.insert(0, bos)
        return result

    def piece(self, token: int) -> bytes:
        """A token's bytes; none for a marker."""
        llama = self._llama
        length = llama.llama_token_to_piece(self._vocabulary, token, self._piece, len(self._piece), 0, False)
        if length < 0:
            self._piece = ctypes.create_string_buffer(-length)
            length = llama.llama_token_to_piece(self._vocabulary, token, self._piece, -length, 0, False)
        return self._piece.raw[:length]

    def is_end(self, token: int) -> bool:
        """Whether the model ends its turn with this token."""
        return bool(self._llama.llama_vocab_is_eog(self._vocabulary, token))

    def begin(self, tokens: Sequence[int], *, repeatable: bool) -> int:
        """Keep what `tokens` shares with the last request and forget the rest; returns how many are in memory.

        At least one token is left to compute, since its scores are needed.
        - repeatable: keep only what comes out the same when all of `tokens` is computed anew (see `TOGETHER_TOKENS`),
        so that the reply does not depend on what was asked before.
        """
        kept = shared_prefix(self._tokens, tokens[:-1])
        if repeatable:
            kept = max(0, min(kept, self._exact, len(tokens) - TOGETHER_TOKENS))
        if kept and not self._truncate(kept):
            kept = 0
        if not kept:
            self._llama.llama_memory_clear(self._memory, False)
        del self._tokens[kept:]
        self._exact = min(self._exact, kept)
        return kept

    def _truncate(self, kept: int) -> bool:
        """Forget everything from position `kept` on; False where this kind of memory cannot."""
        llama = self._llama
        if kept == len(self._tokens):
            return True
        # Of a sliding window only the last positions are in memory; going back behind them would attend to nothing.
        oldest = llama.llama_memory_seq_pos_min(self._memory, 0)
        if self._window and oldest > max(0, kept - self._window):
            return False
        return bool(llama.llama_memory_seq_rm(self._memory, 0, kept, -1))

    def evaluate(self, tokens: Sequence[int]) -> bool:
        """Compute up to `CHUNK_TOKENS` tokens behind those in memory; False where an interrupt came first."""
        llama, count = self._llama, len(tokens)
        self._array[:count] = tokens
        code = llama.llama_decode(self._context, llama.llama_batch_get_one(self._array, count))
        if code == 0:
            if count >= TOGETHER_TOKENS and self._exact == len(self._tokens):
                self._exact += count
            self._tokens.extend(tokens)
            return True
        if code == _ABORTED:
            return False
        self._llama.llama_memory_clear(self._memory, True)
        self._tokens.clear()
        self._exact = 0
        raise SamovarError(
            FailureCode.INTERNAL,
            f"llama.cpp could not compute {count} tokens (code {code}): {self._log.error or 'it gave no reason'}.",
            hint="The worker's log has the details.",
        )

    @staticmethod
    def step_size(remaining: int) -> int:
        """How many of a prompt's remaining tokens the next step takes: never so many that few are left for the last."""
        if CHUNK_TOKENS < remaining < CHUNK_TOKENS + TOGETHER_TOKENS:
            return remaining - TOGETHER_TOKENS
        return min(remaining, CHUNK_TOKENS)

    def sampler(self, sampling: Sampling, prompt: Sequence[int]) -> Sampler:
        """How to choose tokens for one request; `prompt` is what the penalties look back on."""
        return Sampler(self._llama, self._context, self._links(sampling), prompt[-PENALTY_TOKENS:])

    def _links(self, sampling: Sampling) -> list[Any]:
        llama = self._llama
        size = llama.llama_vocab_n_tokens(self._vocabulary)
        links = []
        if sampling.ignore_eos:
            ends = self._ends(size)
            biases = (llama.llama_logit_bias * len(ends))(*((token, -math.inf) for token in ends))
            links.append(llama.llama_sampler_init_logit_bias(size, len(ends), biases))
        penalties = (sampling.repeat_penalty, sampling.frequency_penalty, sampling.presence_penalty)
        if penalties != (1.0, 0.0, 0.0):
            links.append(llama.llama_sampler_init_penalties(size, PENALTY_TOKENS, *penalties))
        if sampling.temperature == 0:
            return [*links, llama.llama_sampler_init_greedy()]
        if sampling.top_k:
            links.append(llama.llama_sampler_init_top_k(sampling.top_k))
        if sampling.typical_p < 1:
            links.append(llama.llama_sampler_init_typical(sampling.typical_p, 1))
        if sampling.top_p < 1:
            links.append(llama.llama_sampler_init_top_p(sampling.top_p, 1))
        if sampling.min_p > 0:
            links.append(llama.llama_sampler_init_min_p(sampling.min_p, 1))
        links.append(llama.llama_sampler_init_temp(sampling.temperature))
        seed = secrets.randbelow(0xFFFFFFFF) if sampling.seed is None else sampling.seed
        return [*links, llama.llama_sampler_init_dist(seed)]

    def _ends(self, size: int) -> list[int]:
        if self._end_tokens is None:
            self._end_tokens = [token for token in range(size) if self.is_end(token)]
        return self._end_tokens

    def close(self) -> None:
        """Free everything."""
        self._llama.llama_free(self._context)
        self._llama.llama_model_free(self._model)


class Sampler:
    """Chooses the next token, all of it in C. Free it with `close`."""

    def __init__(self, llama: Any, context: Any, links: Sequence[Any], recent: Sequence[int]) -> None:
        self._llama, self._context = llama, context
        parameters = llama.llama_sampler_chain_default_params()
        self._chain = llama.llama_sampler_chain_init(parameters)
        for link in links:
            llama.llama_sampler_chain_add(self._chain, link)
        for token in recent:
            llama.llama_sampler_accept(self._chain, token)

    def sample(self) -> int:
        """The token that follows what was computed last."""
        token: int = self._llama.llama_sampler_sample(self._chain, self._context, -1)
        return token

    def close(self) -> None:
        """Free the chain and its links."""
        self._llama.llama_sampler_free(self._chain)


class _Log:
    """llama.cpp's log on standard error, without its debug lines. - error: the last line that tells a reason."""

    def __init__(self, llama: Any) -> None:
        self.error = ""
        self._level = _LEVEL_INFO
        self._callback = llama.llama_log_callback(self._take)  # must live as long as the library may call it
        llama.llama_log_set(self._callback, None)

    def _take(self, level: int, text: bytes | None, _: object) -> None:
        if level != _LEVEL_CONTINUED:
            self._level = level
        if self._level == _LEVEL_DEBUG or not text:
            return
        line = text.decode("utf-8", "replace")
        sys.stderr.write(line)
        sys.stderr.flush()
        # After the reason come lines that only repeat that loading failed.
        if self._level == _LEVEL_ERROR and "failed to load model" not in line:
            self.error = line.strip().rstrip(".").rpartition("error loading model: ")[2]


def shared_prefix(left: Sequence[int], right: Sequence[int]) -> int:
    """How many tokens both begin with."""
    count = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        count += 1
    return count


def _c_library() -> Any:
    return ctypes.CDLL("msvcrt" if sys.platform == "win32" else None)
