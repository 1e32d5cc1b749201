"""The part of a body that names a model: `model`, or `name` as it was called before.

Ollama's own program sends both, one of them empty.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from samovar_agent.http.errors import bad_request

Text = Annotated[str, Meta(max_length=300)]


class Named(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of such bodies."""

    model: Text | None = None
    name: Text | None = None

    @property
    def named(self) -> str:
        """The name; raises `bad_request` where there is none, or two of them."""
        if self.model and self.name and self.model != self.name:
            raise bad_request("'model' and 'name' are different.", param="name", hint="Leave 'name' out.")
        name = self.model or self.name
        if not name:
            raise bad_request("'model' is missing.", param="model")
        return name
