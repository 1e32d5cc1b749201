"""Texts or tokens, one or many, as OpenAI's older endpoints take them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, cast

from msgspec import Meta

from samovar_agent.http.errors import bad_request

Token = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Inputs = str | Annotated[list[str | Token | list[Token]], Meta(min_length=1)]
"""A text, the tokens of one, or a list of either."""


def inputs_of(given: str | Sequence[str | int | list[int]], name: str, *, most: int) -> list[str | list[int]]:
    """The texts and tokens; raises `bad_request` for a mixture of texts and single tokens. - name: of the field."""
    if isinstance(given, str):
        return [given]
    kinds = set(map(type, given))
    inputs: list[str | list[int]]
    if int not in kinds:
        inputs = cast("list[str | list[int]]", given)
    elif len(kinds) == 1:
        inputs = [cast("list[int]", given)]
    else:
        raise bad_request(f"'{name}' mixes texts and tokens.", param=name, hint="Send a list of one kind.")
    if len(inputs) > most:
        raise bad_request(f"'{name}' has {len(inputs):,} entries; {most:,} are the limit.", param=name)
    if [] in inputs:
        raise bad_request(f"A list of tokens in '{name}' is empty.", param=name)
    return inputs
