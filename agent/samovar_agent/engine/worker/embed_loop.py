"""The step loop of a worker that gives vectors or scores: the same order of events as `loop`, with simpler steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from samovar_agent.engine.interface import Embedded, Embedding, Ranked, Ranking
from samovar_agent.engine.wire import Answer, Answered, Cancel, Embed, Failed, Rank, Unload
from samovar_agent.engine.worker.embedder import Embedder, EmbeddingJob, RankingJob
from samovar_agent.engine.worker.inbox import Inbox, Request, as_failure
from samovar_agent.engine.worker.pulse import Pulse
from samovar_agent.engine.worker.queue import FairQueue
from samovar_protocol import FailureCode, SamovarError


class Texts(NamedTuple):
    """A request for vectors or scores, ready to compute."""

    id: int
    request: Embedding | Ranking
    job: EmbeddingJob | RankingJob


def prepare(embedder: Embedder, request: Request) -> Texts:
    """Tokenise a request's texts; raises what can be wrong with it."""
    match request:
        case Embed(id_, embedding):
            return Texts(id_, embedding, embedder.start(embedding.inputs, embedding.dimensions))
        case Rank(id_, ranking):
            return Texts(id_, ranking, embedder.start_ranking(ranking.query, ranking.documents))
        case _:
            raise SamovarError(
                FailureCode.MODEL_UNSUPPORTED,
                "This model does not write text; it is for embeddings or ranking.",
                hint="Choose a chat model.",
            )


class EmbedLoop:
    """Takes a step of one request, then of the next client's, until a command says `Unload`."""

    def __init__(self, inbox: Inbox[Texts], send: Callable[[Answer], None]) -> None:
        self._inbox, self._send = inbox, send
        self._queue: FairQueue[Texts] = FairQueue()
        self._pulse = Pulse(send)

    def run(self) -> None:
        """Until a command says `Unload`."""
        while self._obey():
            texts = self._queue.take()
            if texts is not None:
                self._step(texts)
            self._pulse.beat()

    def _obey(self) -> bool:
        item = self._inbox.get(timeout=0.0 if len(self._queue) else None)
        while item is not None:
            match item:
                case Texts():
                    self._wait(item)
                case Cancel(id_):
                    self._queue.remove(lambda texts: texts.id == id_)
                case Unload():
                    return False
                case _:
                    raise RuntimeError(f"{type(item).__name__} does not come this way")
            item = self._inbox.get()
        return True

    def _wait(self, texts: Texts) -> None:
        self._queue.put(texts.request.client, texts, background=texts.request.priority == "background")

    def _step(self, texts: Texts) -> None:
        self._inbox.computing({texts.id})
        try:
            more = texts.job.step(self._pulse.beat)
            result: Embedded | Ranked | None = None if more else texts.job.result
        except Exception as error:  # one request's failure must not cost the others their model
            self._send(Failed(texts.id, as_failure(error).failure))
            return
        finally:
            self._inbox.computing(())
        if result is None:
            self._wait(texts)
        else:
            self._send(Answered(texts.id, result))
