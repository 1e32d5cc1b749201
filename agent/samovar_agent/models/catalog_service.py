"""Everything that can be downloaded: the built-in catalog with what the hub says of it, and the rest of the hub.

    service = CatalogService(catalog=Catalog.built_in(), store=store, hub=hub, library=library, settings=settings,
                             free_memory=available_bytes, gate=gate, http=http)
    wanted = await service.wanted("smollm2-135m", source=None, sha256=None, unverified=False, requester="samovar get")

The hub is asked in threads, and what is large is decoded in threads, so that nobody who talks to a model notices.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from samovar_agent.models.addresses import Addresses
from samovar_agent.models.answering import SortOrder, matching, note_of, ordered
from samovar_agent.models.catalog import Catalog, CatalogModel
from samovar_agent.models.hub_facts import HubFacts
from samovar_agent.models.hub_memory import FoundModel, HubMemory
from samovar_agent.models.hub_names import CatalogName, HubName, LocalPath, WebAddress, parse
from samovar_agent.models.library import Library
from samovar_agent.models.offers import Here, Machine, entry, from_hub, merged
from samovar_agent.models.sources import HubSource, Wanted
from samovar_agent.models.wanting import checked, needs_digest, wanted_of
from samovar_agent.network.gate import Gate
from samovar_agent.network.http import Http
from samovar_agent.network.hub import Hub
from samovar_agent.settings import SettingsFile
from samovar_agent.store.store import Store
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.replies import CatalogReply, OptionsReply, SearchReply
from samovar_protocol.values import CatalogEntry

log = logging.getLogger("samovar.models")

_REFRESHED = "refresh:catalog"
_AT_ONCE = 4
"""Repositories that a refresh asks about at the same time."""
_NO_SUCH_NAME = frozenset(
    {
        FailureCode.BAD_REQUEST,
        FailureCode.GATED,  # what the hub says of what is not there, to who has no token
        FailureCode.MODEL_UNKNOWN,
        FailureCode.NOT_FOUND,
        FailureCode.PATH_REFUSED,
    }
)
_PAUSE_SECONDS = 0.5
"""Between them where nobody waits: what an answer costs the event loop then delays one request in hundreds."""
_NO_CONNECTION = frozenset({FailureCode.NETWORK_OFFLINE, FailureCode.NETWORK_FAILED})


class CatalogService:
    """What there is to get. Used from the event loop's thread.

    - free_memory: bytes that can be had now. - refresh_seconds: that a refresh of all models may take.
    """

    def __init__(
        self,
        *,
        catalog: Catalog,
        store: Store,
        hub: Hub,
        library: Library,
        settings: SettingsFile,
        free_memory: Callable[[], int],
        gate: Gate,
        http: Http,
        refresh_seconds: float = 300.0,
    ) -> None:
        self._catalog = catalog
        self._answers = store.hub_answers
        self._memory = HubMemory(hub, store.hub_answers)
        self._library = library
        self._settings = settings
        self._free_memory = free_memory
        self._addresses = Addresses(gate, http)
        self._refresh_seconds = refresh_seconds
        self._refreshing: asyncio.Task[None] | None = None
        self._merged: dict[str, tuple[FoundModel, CatalogModel]] = {}

    async def ls(self) -> CatalogReply:
        """The chosen models as they are known here; asks nobody."""
        refreshed = await self._answers.get(_REFRESHED)
        return CatalogReply(
            models=await self._entries(self._catalog.models), refreshed_at=refreshed.answered_at if refreshed else None
        )

    async def search(self, query: str, *, sort: SortOrder, limit: int, requester: str) -> SearchReply:
        """Models of the catalog that fit, then those of the hub; where that cannot be asked, what it said before.

        - query: words, a name, `user/name`, or an address; empty for what is popular.
        """
        query = query.strip()
        if "/" in query and len(query.split()) == 1:
            try:
                options = await self.options(query, requester=requester)
            except SamovarError as error:
                if "://" in query or error.code not in _NO_SUCH_NAME:
                    raise
                # Then these are words.
            else:
                return SearchReply(results=[options.entry], as_of=options.as_of, note=options.note)
        ours = ordered(await self._entries(matching(self._catalog.models, query)), sort)
        found = await self._memory.search(query, sort=sort, limit=limit, requester=requester)
        known = {model.hub.repository for model in self._catalog.models if model.hub}
        theirs = [
            await self._entry(from_hub(facts), facts, in_catalog=False)
            for facts in found.models
            if facts.repository not in known
        ]
        results = [*ours, *theirs] if query else ordered([*ours, *theirs], sort)
        return SearchReply(
            results=results[:limit], as_of=found.as_of, note=note_of(found.problem, found.as_of, "the catalog")
        )

    async def options(self, name: str, *, requester: str) -> OptionsReply:
        """One model with every file that it can be downloaded as. - name: as `wanted` takes it, but no other address.

        Raises `model_unknown`, `not_found`, `gated`, or why the hub could not be asked where nothing is known.
        """
        model, meant = self._meant(name)
        if model is not None:
            found, problem = await self._ask_about(model, requester)
            as_of = found.as_of if found else None
            facts = found.facts if found else None
            shown = await self._entry(merged(model, facts), facts, in_catalog=True)
            return OptionsReply(entry=shown, as_of=as_of, note=note_of(problem, as_of, "the catalog"))
        if not isinstance(meant, HubName):
            raise SamovarError(
                FailureCode.BAD_REQUEST,
                "Only models of the catalog and of the hub come in several files to choose from.",
                hint="Get this one with `samovar get`.",
            )
        answer = await self._memory.model(meant.repository, meant.revision, requester=requester, asked=True)
        shown = await self._entry(from_hub(answer.facts), answer.facts, in_catalog=False)
        return OptionsReply(entry=shown, as_of=answer.as_of, note=note_of(answer.problem, answer.as_of, "nothing"))

    async def refresh(self, *, requester: str, asked: bool) -> None:
        """Ask the hub about every model of the catalog. What has come is kept, however this ends.

        Whoever calls this while it runs waits for the same one. A repository that is gone or gated costs only itself.
        Raises `network_offline` or `network_failed` where the hub could not be asked about all of them.
        """
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._refresh(requester, asked), name="catalog refresh")
        await asyncio.shield(self._refreshing)

    async def close(self) -> None:
        """End a refresh that is under way."""
        if self._refreshing and not self._refreshing.done():
            self._refreshing.cancel()
            await asyncio.wait([self._refreshing])

    async def wanted(
        self, name: str, *, source: str | None, sha256: str | None, unverified: bool, requester: str
    ) -> Wanted:
        """All that a download has to know: files with size and digest, and where to get them.

        - name: of the catalog, `user/name` on the hub, either with `@quantization`; an address of the hub or any other;
          the path of a file or folder. - source: only this kind. - sha256: of the file, where nobody else says it.
        - unverified: go without a digest where there is none.
        Raises `model_unknown`, `not_found`, `gated`, `path_refused`, `bad_request` (nobody says the digest), and
        `network_offline` or `network_failed` where only the hub knows and cannot be asked.
        """
        sha256 = sha256.strip().lower() if sha256 else None
        model, meant = self._meant(name)
        problem: SamovarError | None = None
        if model is not None:
            assert isinstance(meant, CatalogName)
            wanted, problem = await self._wanted_of_catalog(model, meant.quantization, source, requester)
        else:
            match meant:
                case HubName():
                    answer = await self._memory.model(meant.repository, meant.revision, requester=requester, asked=True)
                    known = await asyncio.to_thread(from_hub, answer.facts)
                    wanted = wanted_of(known, meant.quantization, file=meant.file, folder=meant.folder, name=name)
                case WebAddress():
                    wanted = await self._addresses.of_web(meant, sha256=sha256, requester=requester)
                case LocalPath():
                    wanted = await self._addresses.of_path(meant, sha256=sha256)
                case CatalogName():
                    raise self._catalog.unknown(name)
        return checked(wanted, source=source, sha256=sha256, unverified=unverified, problem=problem)

    def _meant(self, name: str) -> tuple[CatalogModel | None, CatalogName | HubName | WebAddress | LocalPath]:
        """The model of the catalog that is meant, if it is one; and what the name is otherwise."""
        meant = parse(name, hub=self._settings.current.network.hub)
        if isinstance(meant, CatalogName):
            model = self._catalog.find(meant.name)
        elif isinstance(meant, HubName) and name.strip().partition("@")[0] == meant.repository:
            model = self._catalog.find(meant.repository)
            if model is not None:
                meant = CatalogName(meant.repository, meant.quantization)
        else:
            model = None
        if model is None and isinstance(meant, CatalogName):
            raise self._catalog.unknown(name)
        return model, meant

    async def _wanted_of_catalog(
        self, model: CatalogModel, quantization: str | None, source: str | None, requester: str
    ) -> tuple[Wanted, SamovarError | None]:
        """What to download of a model of the catalog; and why the hub was not asked, where it had to be."""
        ours = wanted_of(model, quantization, source=source) if _listed(model, quantization) else None
        if ours and not needs_digest(ours) and not isinstance(ours.sources[0], HubSource):
            return ours, None  # the catalog knows enough
        found, problem = await self._ask_about(model, requester)
        if found is None and ours is None:
            raise problem or self._catalog.unknown(f"{model.key}@{quantization}")
        together = await asyncio.to_thread(merged, model, found.facts if found else None)
        return wanted_of(together, quantization, source=source), problem

    async def _ask_about(self, model: CatalogModel, requester: str) -> tuple[FoundModel | None, SamovarError | None]:
        """What the hub says of a model of the catalog, now or before; and why not now."""
        if model.hub is None:
            return None, None
        try:
            found = await self._memory.model(model.hub.repository, model.hub.revision, requester=requester, asked=True)
        except SamovarError as error:
            return None, error
        return found, found.problem

    async def _refresh(self, requester: str, asked: bool) -> None:
        hubs = [model.hub for model in self._catalog.models if model.hub]
        turn = asyncio.Semaphore(_AT_ONCE if asked else 1)
        failures: list[SamovarError] = []
        answered: list[str] = []

        async def ask(hub: HubSource) -> None:
            async with turn:
                if any(failure.code == FailureCode.NETWORK_OFFLINE for failure in failures):
                    return  # the next ones would be refused as well
                try:
                    found = await self._memory.model(
                        hub.repository, hub.revision, requester=requester, asked=asked, fresh=0
                    )
                    problem = found.problem
                except SamovarError as error:
                    problem = error
                if problem is None:
                    answered.append(hub.repository)
                elif problem.code in _NO_CONNECTION:
                    failures.append(problem)
                else:
                    log.warning(
                        "a repository of the catalog could not be asked about",
                        extra={"repository": hub.repository, "problem": problem.failure.message},
                    )
                if not asked:
                    await asyncio.sleep(_PAUSE_SECONDS)

        try:
            async with asyncio.timeout(self._refresh_seconds):
                await asyncio.gather(*(ask(hub) for hub in hubs))
        except TimeoutError:
            raise SamovarError(
                FailureCode.NETWORK_FAILED,
                f"The hub did not answer about all models within {self._refresh_seconds:.0f} seconds.",
                hint="What it did answer is kept; try again later.",
            ) from None
        if failures:
            raise failures[0]
        if hubs and not answered:
            raise SamovarError(
                FailureCode.NETWORK_FAILED,
                "The hub has none of the models of the catalog.",
                hint="Check `samovar config get network.hub`: perhaps that is no model hub.",
            )
        await self._answers.put(_REFRESHED, b"null")

    async def _entries(self, models: Sequence[CatalogModel]) -> list[CatalogEntry]:
        found = await self._memory.last([model.hub.repository for model in models if model.hub])
        machine, here = await self._machine(), Here(self._library.ls())

        def make() -> list[CatalogEntry]:
            entries = []
            for model in models:
                known = found.get(model.hub.repository) if model.hub else None
                merged_model = self._with(model, known) if known else model
                entries.append(entry(merged_model, known.facts if known else None, machine, here, in_catalog=True))
            return entries

        return await asyncio.to_thread(make)

    def _with(self, model: CatalogModel, known: FoundModel) -> CatalogModel:
        """The model with what the hub said; put together once for each answer."""
        kept = self._merged.get(model.key)
        if kept is None or kept[0] is not known:
            kept = self._merged[model.key] = (known, merged(model, known.facts))
        return kept[1]

    async def _entry(self, model: CatalogModel, facts: HubFacts | None, *, in_catalog: bool) -> CatalogEntry:
        machine, here = await self._machine(), Here(self._library.ls())
        return await asyncio.to_thread(entry, model, facts, machine, here, in_catalog=in_catalog)

    async def _machine(self) -> Machine:
        return Machine(await asyncio.to_thread(self._free_memory), self._settings.current.models.context_length)


def _listed(model: CatalogModel, quantization: str | None) -> bool:
    if quantization is None:
        return bool(model.files)
    return any(file.quantization.casefold() == quantization.casefold() for file in model.files)
