"""A worker's life: say hello, load one model, compute until told to unload."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from samovar_agent.engine.interface import Loaded, LoadOptions
from samovar_agent.engine.wire import Answer, Hello, Load, LoadFailed, Loading
from samovar_agent.engine.worker.inbox import Inbox
from samovar_agent.engine.worker.interrupt import Interrupt
from samovar_agent.engine.worker.pipes import Outbox, read_commands
from samovar_protocol import FailureCode, SamovarError

_PROGRESS_SECONDS = 0.05


def serve(commands: int, answers: int) -> None:
    """Talk over the two descriptors until the model is unloaded."""
    interrupt = Interrupt()
    outbox = Outbox(answers)
    inbox: Inbox[Any] = Inbox(interrupt, outbox.send)
    read_commands(commands, inbox.put)
    outbox.send(Hello())
    try:
        _load_and_run(inbox, interrupt, outbox.send)
    finally:
        outbox.close()


def _load_and_run(inbox: Inbox[Any], interrupt: Interrupt, send: Callable[[Answer], None]) -> None:
    # Imported after the hello: with llama.cpp and Jinja this takes longer than everything before it.
    from samovar_agent.engine.worker.library import low_level

    try:
        low_level()
        from samovar_agent.engine.worker.model import Model

        command = inbox.get(timeout=None)
        if not isinstance(command, Load):
            return
        options = command.options
        model = Model(options.path, interrupt, _throttled(send))
        run = (
            _embed(model, options, interrupt, inbox, send)
            if model.embeds
            else _write(model, options, interrupt, inbox, send)
        )
    except SamovarError as error:
        send(LoadFailed(error.failure))
        return
    except Exception as error:
        send(LoadFailed(SamovarError(FailureCode.LOAD_FAILED, f"The model could not be loaded: {error}.").failure))
        raise
    run()
    model.close()


def _write(
    model: Any, options: LoadOptions, interrupt: Interrupt, inbox: Inbox[Any], send: Callable[[Answer], None]
) -> Callable[[], None]:
    """Make a model ready to write text; returns what does it."""
    from samovar_agent.engine.worker.context import Context
    from samovar_agent.engine.worker.keeper import open_keeper
    from samovar_agent.engine.worker.loop import Loop
    from samovar_agent.engine.worker.prefix_cache import PrefixCache
    from samovar_agent.engine.worker.preparing import discard, preparer
    from samovar_agent.engine.worker.prompt import chat_template
    from samovar_agent.engine.worker.questions import answering

    context = Context(model, options, interrupt)
    cache = PrefixCache(
        context, cells=context.cells, sequences=context.sequences, keep_ends=not context.can_share_any_prefix
    )
    loop = Loop(context, cache, inbox, send, open_keeper(options, model, context, cache))
    template = chat_template(model)
    inbox.prepare_with(preparer(model, template, options.context_length), discard, answering(model, template))
    send(Loaded(context_length=options.context_length, runtime=model.runtime))

    def run() -> None:
        loop.run()
        context.close()

    return run


def _embed(
    model: Any, options: LoadOptions, interrupt: Interrupt, inbox: Inbox[Any], send: Callable[[Answer], None]
) -> Callable[[], None]:
    """Make a model ready to give vectors or scores; returns what does it."""
    from samovar_agent.engine.worker.embed_loop import EmbedLoop, prepare
    from samovar_agent.engine.worker.embedder import Embedder
    from samovar_agent.engine.worker.heap import return_large_blocks
    from samovar_agent.engine.worker.questions import answering

    return_large_blocks()
    embedder = Embedder(model, options, interrupt)
    loop = EmbedLoop(inbox, send)
    inbox.prepare_with(lambda request, received: prepare(embedder, request), lambda texts: None, answering(model))
    send(Loaded(context_length=embedder.context_length, runtime=model.runtime))

    def run() -> None:
        loop.run()
        embedder.close()

    return run


def _throttled(send: Callable[[Answer], None]) -> Callable[[float], None]:
    told = 0.0

    def progressed(progress: float) -> None:
        nonlocal told
        if progress >= 1 or time.monotonic() - told >= _PROGRESS_SECONDS:
            told = time.monotonic()
            send(Loading(progress))

    return progressed
