"""The part of a body that names a model: `model`, or `name` as it was called before."""

from __future__ import annotations

import msgspec

from samovar_agent.http.errors import bad_request
from samovar_protocol.values import Name


class Named(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of such bodies."""

    model: Name | None = None
    name: Name | None = None

    @property
    def named(self) -> str:
        """The name; raises `bad_request` where there is none, or two of them."""
        if self.model is not None and self.name is not None and self.model != self.name:
            raise bad_request("'model' and 'name' are different.", param="name", hint="Leave 'name' out.")
        name = self.model if self.model is not None else self.name
        if name is None:
            raise bad_request("'model' is missing.", param="model")
        return name
