"""Makes a request for text ready to be computed: prompt, samplers and parsers of all its replies."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from samovar_agent.engine.interface import Generation
from samovar_agent.engine.wire import Generate
from samovar_agent.engine.worker.inbox import Request
from samovar_agent.engine.worker.job import Branch, Job
from samovar_agent.engine.worker.model import Model
from samovar_agent.engine.worker.prompt import check_room, prepare
from samovar_agent.engine.worker.sampler import Sampler
from samovar_agent.engine.worker.template import ChatTemplate
from samovar_protocol import FailureCode, SamovarError


def preparer(model: Model, template: ChatTemplate, context_length: int) -> Callable[[Request, float], Job]:
    """What makes requests ready, given each with the time of its arrival; raises all that can be wrong with one."""
    keys = itertools.count()

    def ready(request: Request, received: float) -> Job:
        if not isinstance(request, Generate):
            raise SamovarError(
                FailureCode.MODEL_UNSUPPORTED,
                "This model writes text; it makes no vectors and ranks nothing.",
                hint="Choose an embedding or reranking model.",
            )
        generation = request.generation
        prepared = prepare(model, template, generation, context_length=context_length)
        check_room(len(prepared.tokens), context_length, model.trained_context)
        job = Job(request.id, generation, received, prepared.stop_tokens)
        first = Sampler(
            model,
            generation.sampling,
            prepared.tokens,
            grammar=prepared.constraint,
            context_length=context_length,
            thinking=prepared.thinking,
            joined=generation.suffix is not None and generation.infill.joined,
        )
        for choice in range(generation.options.n):
            sampler = first.fork(choice) if choice else first
            parser = prepared.parser(choice)
            branch = Branch(
                job,
                next(keys),
                prepared.tokens,
                sampler,
                parser,
                choice=choice,
                context_length=context_length,
                unscored=_unscored(model, generation, prepared.tokens),
            )
            job.branches.append(branch)
        return job

    return ready


def _unscored(model: Model, generation: Generation, tokens: Sequence[int]) -> int | None:
    """The first token of the prompt whose logprob is asked for; BOS is none where the text does not have it."""
    if not generation.prompt_logprobs or not generation.options.logprobs:
        return None
    prompt = generation.prompt
    return int(isinstance(prompt, str) and tokens[0] == model.bos and not prompt.startswith(model.bos_text))


def discard(job: Job) -> None:
    """Free a request that nobody wants any more."""
    for branch in job.branches:
        branch.drop()
