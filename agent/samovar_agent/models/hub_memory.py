"""Asks the hub, keeps what it answered, and answers with that when it cannot be asked.

found = await memory.model("bartowski/phi-4-GGUF", requester="samovar options", asked=True)
found.facts.files, found.as_of, found.problem
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from samovar_agent.models.hub_facts import HubFacts, facts_of
from samovar_agent.network.hub import Hub, Sort
from samovar_agent.store.hub_answers import HubAnswers
from samovar_protocol import FailureCode, SamovarError

T = TypeVar("T")
FRESH_SECONDS = 60.0
"""An answer of the last minute is not asked for again."""
_NOT_REACHED = frozenset({FailureCode.NETWORK_OFFLINE, FailureCode.NETWORK_FAILED})


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A repository. - as_of: when the hub said so. - problem: why that was not now; None where it was."""

    facts: HubFacts
    as_of: float
    problem: SamovarError | None = None


@dataclass(frozen=True, slots=True)
class FoundModels:
    """What a search found. - as_of: as above; None where the hub was never asked."""

    models: list[HubFacts]
    as_of: float | None
    problem: SamovarError | None = None


class HubMemory:
    """The hub and what it said before. - seconds: that one question may take."""

    def __init__(self, hub: Hub, answers: HubAnswers, *, seconds: float = 30.0) -> None:
        self._hub = hub
        self._answers = answers
        self._seconds = seconds
        self._decoded: dict[str, FoundModel] = {}

    async def model(
        self, repository: str, revision: str = "main", *, requester: str, asked: bool, fresh: float = FRESH_SECONDS
    ) -> FoundModel:
        """What is in a repository: asked now, or what is known from before where the hub cannot be reached.

        - fresh: an answer of the last so many seconds is taken as it is.
        Raises `not_found`, `gated` and the like, and, where nothing is known, why the hub could not be reached.
        """
        question = _model_question(repository, revision)
        kept = await self._kept(question, HubFacts)
        if kept and 0 <= time.time() - kept[1] < fresh:
            return FoundModel(kept[0], kept[1])
        try:
            async with asyncio.timeout(self._seconds):
                answer = await self._hub.model(repository, revision, requester=requester, asked=asked)
        except (SamovarError, TimeoutError) as error:
            problem = _problem(error)
            if kept is None or problem.code not in _NOT_REACHED:
                raise problem from error
            return FoundModel(kept[0], kept[1], problem)
        facts = await asyncio.to_thread(facts_of, answer, revision)
        await self._answers.put(question, await asyncio.to_thread(msgspec.json.encode, facts))
        return FoundModel(facts, time.time())

    async def last(self, repositories: list[str]) -> dict[str, FoundModel]:
        """What the hub last said of these, without asking it; the same objects for as long as that is the same."""
        questions = {_model_question(repository, "main"): repository for repository in repositories}
        kept = await self._answers.get_all(list(questions))

        def decode() -> None:
            for answer in kept:
                known = self._decoded.get(questions[answer.question])
                if known and known.as_of == answer.answered_at:
                    continue
                if facts := _decoded(answer.answer, HubFacts):
                    self._decoded[questions[answer.question]] = FoundModel(facts, answer.answered_at)

        await asyncio.to_thread(decode)
        return {name: self._decoded[name] for name in repositories if name in self._decoded}

    async def search(self, query: str, *, sort: Sort, limit: int, requester: str) -> FoundModels:
        """Models with GGUF files: asked now, or what earlier searches found where the hub cannot be reached."""
        question = f"search:{sort}:{query.casefold()}"
        try:
            async with asyncio.timeout(self._seconds):
                answer = await self._hub.search(query, sort=sort, limit=limit, requester=requester, asked=True)
        except (SamovarError, TimeoutError) as error:
            problem = _problem(error)
            if problem.code not in _NOT_REACHED:
                raise problem from error
            return await self._found_before(question, query, problem)
        models = [facts for model in answer if (facts := _usable(model))]
        await self._answers.put(question, await asyncio.to_thread(msgspec.json.encode, models))
        return FoundModels(models, time.time())

    async def _found_before(self, question: str, query: str, problem: SamovarError) -> FoundModels:
        """What the same search found; else what fits among all that was ever found."""
        if kept := await self._kept(question, list[HubFacts]):
            return FoundModels(kept[0], kept[1], problem)
        answers = await self._answers.get_like("search:")
        words = query.casefold().split()

        def look() -> tuple[dict[str, HubFacts], list[float]]:
            found: dict[str, HubFacts] = {}
            times: list[float] = []
            for answer in answers:  # the newest first
                for facts in _decoded(answer.answer, list[HubFacts]) or []:
                    if facts.repository not in found and all(word in facts.repository.casefold() for word in words):
                        found[facts.repository] = facts
                        times.append(answer.answered_at)
            return found, times

        found, times = await asyncio.to_thread(look)
        return FoundModels(list(found.values()), min(times, default=None), problem)

    async def _kept(self, question: str, kind: type[T]) -> tuple[T, float] | None:
        kept = await self._answers.get(question)
        if kept is None:
            return None
        decoded = await asyncio.to_thread(_decoded, kept.answer, kind)
        return None if decoded is None else (decoded, kept.answered_at)


def _model_question(repository: str, revision: str) -> str:
    return f"model:{repository}@{revision}"


def _usable(model: object) -> HubFacts | None:
    try:
        return facts_of(model)  # type: ignore[arg-type]
    except SamovarError:
        return None  # a name that cannot be a repository's


def _decoded(answer: bytes, kind: type[T]) -> T | None:
    """None for what an older or newer version kept."""
    try:
        return msgspec.json.decode(answer, type=kind)
    except msgspec.MsgspecError:
        return None


def _problem(error: Exception) -> SamovarError:
    if isinstance(error, SamovarError):
        return error
    return SamovarError(FailureCode.NETWORK_FAILED, "The hub did not answer in time.", hint="Try again later.")
