"""A worker's life: say hello, load one model, compute until told to unload."""

from __future__ import annotations

import time
from collections.abc import Callable

from samovar_agent.engine.interface import Loaded
from samovar_agent.engine.wire import Answer, Hello, Load, LoadFailed, Loading
from samovar_agent.engine.worker.interrupt import Interrupt
from samovar_agent.engine.worker.loop import Inbox, Loop
from samovar_agent.engine.worker.pipes import Outbox, read_commands
from samovar_protocol import FailureCode, SamovarError

_PROGRESS_SECONDS = 0.05


def serve(commands: int, answers: int) -> None:
    """Talk over the two descriptors until the model is unloaded."""
    interrupt = Interrupt()
    inbox, outbox = Inbox(interrupt), Outbox(answers)
    read_commands(commands, inbox.put)
    outbox.send(Hello())
    try:
        _load_and_run(inbox, interrupt, outbox.send)
    finally:
        outbox.close()


def _load_and_run(inbox: Inbox, interrupt: Interrupt, send: Callable[[Answer], None]) -> None:
    # Imported after the hello: with llama.cpp and Jinja this takes longer than everything before it.
    from samovar_agent.engine.worker.llama import Model, low_level
    from samovar_agent.engine.worker.template import ChatTemplate

    try:
        low_level()
        arrival = inbox.get(wait=True)
        if arrival is None or not isinstance(arrival[1], Load):
            return
        options = arrival[1].options
        model = Model(options, interrupt, _throttled(send))
        template = ChatTemplate(model.chat_template, bos=model.bos_text, eos=model.eos_text)
    except SamovarError as error:
        send(LoadFailed(error.failure))
        return
    except Exception as error:
        send(LoadFailed(SamovarError(FailureCode.LOAD_FAILED, f"The model could not be loaded: {error}.").failure))
        raise
    send(Loaded(context_length=model.context_length, runtime=model.runtime))
    Loop(model, template, inbox, send).run()
    model.close()


def _throttled(send: Callable[[Answer], None]) -> Callable[[float], None]:
    told = 0.0

    def progressed(progress: float) -> None:
        nonlocal told
        if progress >= 1 or time.monotonic() - told >= _PROGRESS_SECONDS:
            told = time.monotonic()
            send(Loading(progress))

    return progressed
