"""What the text of a reply must be: `response_format`, and llama.cpp's `grammar`."""

from __future__ import annotations

from typing import Any

import msgspec

from samovar_agent.http.errors import bad_request
from samovar_protocol.values import AnyJson, Grammar, JsonSchema, ReplyFormat

Schema = dict[str, Any] | bool


class TextFormat(msgspec.Struct, frozen=True, tag_field="type", tag="text", forbid_unknown_fields=True):
    """Any text."""


class JsonObjectFormat(msgspec.Struct, frozen=True, tag_field="type", tag="json_object", forbid_unknown_fields=True):
    """A JSON object. - schema: of it, as llama.cpp's server takes it."""

    schema: Schema | None = None


class NamedSchema(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A schema. - name: for nobody but the client. - description: not shown to the model. - strict: accepted either
    way, because the reply always follows the schema here."""

    schema: Schema
    name: str | None = None
    description: str | None = None
    strict: bool | None = None


class JsonSchemaFormat(msgspec.Struct, frozen=True, tag_field="type", tag="json_schema", forbid_unknown_fields=True):
    """JSON that a schema allows."""

    json_schema: NamedSchema


ResponseFormat = TextFormat | JsonObjectFormat | JsonSchemaFormat


def unseen_of(wanted: ResponseFormat | None) -> list[str]:
    """Paths of what is said to the model, and not shown to it."""
    described = isinstance(wanted, JsonSchemaFormat) and wanted.json_schema.description
    return ["response_format.json_schema.description"] if described else []


def reply_format(wanted: ResponseFormat | None, grammar: str | None) -> ReplyFormat | None:
    """The one format that was asked for; None for any text. Raises `bad_request` where there are two."""
    found: ReplyFormat | None = None
    if isinstance(wanted, JsonSchemaFormat):
        found = JsonSchema(json_schema=wanted.json_schema.schema)
    elif isinstance(wanted, JsonObjectFormat):
        found = AnyJson() if wanted.schema is None else JsonSchema(json_schema=wanted.schema)
    if not grammar:
        return found
    if found is not None:
        raise bad_request("A reply cannot follow a 'response_format' and a 'grammar'.", param="grammar")
    return Grammar(gbnf=grammar)
