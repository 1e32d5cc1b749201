"""A file that may be a model, as the folder that holds it presents it, before anybody has looked into it."""

from __future__ import annotations

import os
from dataclasses import dataclass

from samovar_agent.models.files import stem_and_tag
from samovar_agent.models.gguf_reader import shown
from samovar_protocol.values import Origin

OWN_PUBLISHER = "local"
"""Publisher of files that name none."""


@dataclass(frozen=True, slots=True)
class Found:
    """- path: the first file. - publisher, name: what the model is called there; the key is made of them.

    - aliases: what that program calls it. - sha256: of the first file, where that program says so.
    - home: what else has the same home may belong to the model: its vision projector.
    - projector: path of the projector, where that program names it.
    - file_name: what it says about the model; None takes the path's.
    """

    path: str
    publisher: str
    name: str
    origin: Origin
    home: str
    aliases: tuple[str, ...] = ()
    sha256: str | None = None
    projector: str | None = None
    file_name: str | None = None

    @property
    def shown_name(self) -> str:
        """The file's name, for what it says about the model."""
        return self.file_name if self.file_name is not None else shown(os.path.basename(self.path))  # noqa: PTH119


def by_place(path: str, root: str, origin: Origin) -> Found:
    """Named by where it lies: `<publisher>/<name>/<file>` below `root`, or what there is of that."""
    folder, _, file_name = (path.replace(os.sep, "/") if os.sep != "/" else path).rpartition("/")
    folders = [part for part in folder[len(root) :].split("/") if part]
    home, file_name = path[: len(folder)], shown(file_name)
    if len(folders) >= 2:
        return Found(path, shown(folders[-2]), shown(folders[-1]), origin, home, file_name=file_name)
    publisher = shown(folders[0]) if folders else OWN_PUBLISHER
    return Found(path, publisher, stem_and_tag(file_name)[0], origin, home, file_name=file_name)
