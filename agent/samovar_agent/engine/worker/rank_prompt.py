"""What a reranking model reads: a query and a document in one text, joined as the model wants it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from samovar_agent.engine.worker.model import Model

_MAY_BE_MARKER = re.compile(r"(<[^<>\s]{1,64}>|\[[A-Z_]{1,32}\])")
_PLACE = re.compile(r"\{(query|document)\}")


class RankPrompt:
    """By the model's own template, or else with the separators of its vocabulary. Safe in any thread."""

    def __init__(self, model: Model) -> None:
        self._model = model
        llama = model.llama
        template = llama.llama_model_chat_template(model.pointer, b"rerank")
        self._parts = self._cut(template.decode("utf-8", "replace")) if template else []
        end, separator = llama.llama_vocab_eos(model.vocabulary), llama.llama_vocab_sep(model.vocabulary)
        self._begin = [model.bos] if llama.llama_vocab_get_add_bos(model.vocabulary) else []
        self._end = [end if end >= 0 else separator] if llama.llama_vocab_get_add_eos(model.vocabulary) else []
        self._separator = [separator] if llama.llama_vocab_get_add_sep(model.vocabulary) else []

    def tokens(self, query: str, documents: Sequence[str]) -> list[list[int]]:
        """The tokens of each document with the query."""
        if self._parts:
            return [self._by_template({"query": query, "document": document}) for document in documents]
        head = [*self._begin, *self._plain(query), *self._end, *self._separator]
        return [[*head, *self._plain(document), *self._end] for document in documents]

    def _by_template(self, texts: dict[str, str]) -> list[int]:
        tokens: list[int] = []
        for part, special in self._parts:
            text = part if special else _PLACE.sub(lambda place: texts[place[1]], part)
            tokens += self._model.tokenize(text, special=special)
        return tokens

    def _cut(self, template: str) -> list[tuple[str, bool]]:
        """The template in parts, and whether each is a marker, so that those in a query or document stay plain text."""
        parts: list[tuple[str, bool]] = []
        for text in _MAY_BE_MARKER.split(template):
            marker = self._is_marker(text)
            if parts and not marker and not parts[-1][1]:
                parts[-1] = (parts[-1][0] + text, False)
            else:
                parts.append((text, marker))
        return parts

    def _is_marker(self, text: str) -> bool:
        tokens = self._model.tokenize(text, special=True)
        return len(tokens) == 1 and tokens != self._plain(text)

    def _plain(self, text: str) -> list[int]:
        return self._model.tokenize(text, special=False)
