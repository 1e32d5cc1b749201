"""`POST /tokenize` and `/detokenize`: tokens of a text, and the text of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from samovar_agent.engine.interface import Tokenization
from samovar_agent.http.answering import json_response
from samovar_agent.http.json_body import read_json
from samovar_agent.http.open_work import Job
from samovar_agent.http.openai.model_names import named
from samovar_agent.http.openai.token_inputs import Token
from samovar_protocol.values import Name

if TYPE_CHECKING:
    from samovar_agent.services import Services


class TokenizeRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body. - model: None for the one in memory, or the only one. - parse_special: markers in the text count as
    such; otherwise they are text like any other. - with_pieces: with the text of each token."""

    content: str
    add_special: bool = False
    parse_special: bool = True
    with_pieces: bool = False
    model: Name | None = None


class DetokenizeRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body."""

    tokens: Annotated[list[Token], Meta(max_length=1_000_000)]
    model: Name | None = None


class PieceOfText(msgspec.Struct, frozen=True):
    """A token. - piece: its bytes, where they are no text by themselves."""

    id: int
    piece: str | list[int]


class TokenList(msgspec.Struct, frozen=True):
    """The tokens of a text: all of one kind."""

    tokens: Sequence[int | PieceOfText]


class Content(msgspec.Struct, frozen=True):
    """The text of tokens."""

    content: str


_tokenize = msgspec.json.Decoder(TokenizeRequest)
_detokenize = msgspec.json.Decoder(DetokenizeRequest)


class Tokens:
    """The two endpoints."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def tokenize(self, request: web.Request, job: Job) -> web.Response:
        """The tokens of a text."""
        body = await read_json(request, _tokenize)
        wanted = Tokenization(texts=[body.content], markers=body.parse_special, begin=body.add_special, listed=True)
        model = named(self._services, body.model, "chat")
        async with job.interruptible():
            tokens = (await self._services.instances.tokenize(model, wanted)).tokens[0]
            if not body.with_pieces:
                return json_response(msgspec.json.encode(TokenList(tokens)))
            pieces = (await self._services.instances.detokenize(model, tokens)).pieces
        listed = [PieceOfText(token, _text(piece)) for token, piece in zip(tokens, pieces, strict=True)]
        return json_response(msgspec.json.encode(TokenList(listed)))

    async def detokenize(self, request: web.Request, job: Job) -> web.Response:
        """The text of tokens."""
        body = await read_json(request, _detokenize)
        model = named(self._services, body.model, "chat")
        async with job.interruptible():
            found = await self._services.instances.detokenize(model, body.tokens)
        return json_response(msgspec.json.encode(Content(found.text)))


def _text(piece: bytes) -> str | list[int]:
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return list(piece)
