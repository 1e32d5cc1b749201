"""The model hub, or a mirror of it: search, and the files of a repository with size and digest.

    hub = Hub(gate, settings, http)
    found = await hub.search("smollm", sort="downloads", limit=20, requester="samovar search", asked=True)
    model = await hub.model("someone/tiny-GGUF", requester="samovar get", asked=True)

The real `huggingface_hub` asks the questions (`network/hub_call.py`); its bytes go by way of `network/http.py` like all
others. It is imported when first needed.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar
from urllib.parse import quote, urlsplit

import msgspec
from yarl import URL

from samovar_agent.network.background import in_thread
from samovar_agent.network.gate import Gate, Purpose
from samovar_agent.network.http import Http
from samovar_agent.network.hub_call import HubCall
from samovar_agent.network.hub_values import HubFile, HubModel, Repository, model_of
from samovar_agent.settings import SettingsFile
from samovar_protocol import FailureCode, SamovarError

if TYPE_CHECKING:
    from huggingface_hub import HfApi  # noqa: TID251 - only its type

__all__ = ["Hub", "HubFile", "HubModel", "Sort"]

T = TypeVar("T")
Sort = Literal["downloads", "likes", "updated", "trending"]

_TURNS_ASKED, _TURNS_UNASKED = 4, 1
"""Questions at the same time. Each has a thread, and many threads would hold up the event loop; people go first."""

_TRUE = {"1", "on", "yes", "true"}


class Hub:
    """Asks the hub at the address in `network.hub`.

    - gate: gives permission for each question. - http: carries it; one of its own where None.
    - environ: HF_TOKEN and the places where the hub's own program keeps its token; tests pass their own.
    """

    def __init__(
        self, gate: Gate, settings: SettingsFile, http: Http | None = None, environ: Mapping[str, str] | None = None
    ) -> None:
        self._gate = gate
        self._settings = settings
        self._http = http or Http(settings)
        self._environ = os.environ if environ is None else environ
        self._turns = {True: asyncio.Semaphore(_TURNS_ASKED), False: asyncio.Semaphore(_TURNS_UNASKED)}

    @property
    def endpoint(self) -> str:
        """The hub's address, without a slash at its end; raises `setting_invalid` where it is none, or has a user."""
        endpoint = self._settings.current.network.hub.strip().rstrip("/")
        try:
            if urlsplit(endpoint).username is not None:
                raise SamovarError(  # which does not repeat it
                    FailureCode.SETTING_INVALID,
                    "network.hub has a user or a password in it, which would be written down with every download.",
                    hint="Set it without them, with `samovar config set network.hub` or HF_ENDPOINT; a token of yours "
                    "for that hub goes into HF_TOKEN.",
                )
            url = URL(endpoint)
            sound = url.scheme in ("http", "https") and bool(url.host) and not url.query_string and not url.fragment
        except ValueError:
            sound = False
        if not sound:
            raise SamovarError(
                FailureCode.SETTING_INVALID,
                f"network.hub is {endpoint[:200]!r}, which is not an address on the web.",
                hint="Correct it with `samovar config set network.hub https://huggingface.co`, or correct HF_ENDPOINT.",
            )
        return endpoint

    @property
    def token(self) -> str | None:
        """The person's token for the hub, from HF_TOKEN or from where `hf auth login` keeps it; for the hub only."""
        if token := _clean(self._environ.get("HF_TOKEN", "")):
            return token
        if self._environ.get("HF_HUB_DISABLE_IMPLICIT_TOKEN", "").lower() in _TRUE:
            return None
        try:
            return _clean(self._token_file().read_text(encoding="utf-8")[:1000])
        except (OSError, UnicodeDecodeError, RuntimeError):
            return None

    def address(self, repository: str, path: str, revision: str = "main") -> str:
        """Where a file of a repository can be fetched. - path: inside the repository. - revision: branch or commit."""
        return f"{self.endpoint}/{quote(repository)}/resolve/{quote(revision, safe='')}/{quote(path)}"

    async def search(
        self, query: str = "", *, sort: Sort = "downloads", limit: int = 20, requester: str, asked: bool
    ) -> list[HubModel]:
        """Models with GGUF files, without their files.

        - query: words; empty for what is popular. - limit: at most so many. - requester, asked: as for the gate.
        Raises `network_offline`, `network_failed`, `setting_invalid`.
        """

        def ask(api: HfApi) -> list[HubModel]:
            found = api.list_models(
                search=query or None,
                filter="gguf",
                sort=_SORT[sort],
                limit=limit,
                expand=["downloads", "likes", "lastModified", "gated", "tags", "sha"],
            )
            return [model_of(info) for info in found]

        return await self._ask("search", ask, f"search for '{query}'", "the list of models", requester, asked)

    async def model(
        self, repository: str, revision: str = "main", *, requester: str, asked: bool, purpose: Purpose = "catalog"
    ) -> HubModel:
        """One repository with its files.

        - repository: `user/repo`. - revision: branch or commit. - purpose: for the journal.
        Raises `bad_request`, `gated`, `not_found`, `network_offline`, `network_failed`, `setting_invalid`.
        """
        try:
            msgspec.convert(repository, Repository)
        except msgspec.ValidationError as error:
            raise SamovarError(
                FailureCode.BAD_REQUEST,
                f"'{repository[:200]}' does not name a repository of the hub.",
                hint="Write it as user/repository.",
            ) from error

        def ask(api: HfApi) -> HubModel:
            return model_of(api.model_info(repository, revision=revision, files_metadata=True))

        return await self._ask(purpose, ask, repository, repository, requester, asked)

    async def _ask(
        self, purpose: Purpose, question: Callable[[HfApi], T], detail: str, what: str, requester: str, asked: bool
    ) -> T:
        endpoint = self.endpoint
        host = URL(endpoint).host or ""
        async with (
            self._turns[asked],
            self._gate.connection(purpose, host, requester, asked=asked, detail=detail) as connection,
        ):
            call = HubCall(self._http, connection, endpoint=endpoint, token=self.token, what=what)
            try:
                return await in_thread(call.run, question)
            finally:
                call.close()

    def _token_file(self) -> Path:
        if path := self._environ.get("HF_TOKEN_PATH"):
            return Path(path).expanduser()
        if home := self._environ.get("HF_HOME"):
            return Path(home).expanduser() / "token"
        cache = self._environ.get("XDG_CACHE_HOME")
        return (Path(cache) if cache else Path.home() / ".cache") / "huggingface" / "token"


_SORT: dict[Sort, Literal["downloads", "likes", "last_modified", "trending_score"]] = {
    "downloads": "downloads",
    "likes": "likes",
    "updated": "last_modified",
    "trending": "trending_score",
}


def _clean(text: str) -> str | None:
    """A token that can be sent in a header; people paste them with spaces and line ends."""
    token = text.strip()
    return token if token and token.isascii() and token.isprintable() and " " not in token else None
