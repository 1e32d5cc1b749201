"""A conversation with one model, or with documents: what `chat`, `run` and `docs ask` share."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import click
import msgspec

from samovar.cli import human, output, session, sources, terminal
from samovar.cli.inputs import piped
from samovar.cli.progress import ProgressBar
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.documents import DocumentFilter
from samovar_protocol.replies import ChatReply, DocsAskReply
from samovar_protocol.requests import (
    DOCS_ASK_THINKING_TOKENS,
    DOCS_ASK_TOKENS,
    Chat,
    ConversationCreate,
    ConversationDelete,
    ConversationShow,
    DocsAsk,
    DocsCollections,
    Get,
    Load,
    Ls,
    Ps,
)
from samovar_protocol.values import ChatOptions, Message, Progress, Sampling, Stats, Text, Thinking

if TYPE_CHECKING:
    from samovar import Client
    from samovar_protocol.documents import ConversationInfo
    from samovar_protocol.requests import StreamRequest
    from samovar_protocol.values import AnyDelta

Reply = ChatReply | DocsAskReply

_UNKEEP_SECONDS = 2.0


def _docs_sampling() -> Sampling:
    return DocsAsk(question="?").sampling


@dataclass(slots=True, kw_only=True)
class Conversation:
    """Questions and answers so far, and how to go on.

    - model: None lets the agent choose; the first reply then settles it. - start: start the agent where none runs.
    - get_missing: download a model that the catalog has and this machine has not. - show: stream replies to stdout,
    and what the model thinks first to stderr, where that is a terminal.
    - collections: names of those that the answers are from, none of them for all; None for the model alone. - filter:
    which of their documents count. - whole, docs_sampling: as in `DocsAsk`.
    - keep: let the agent keep it, so that every client sees it. - id: where it is kept; None before the first question.
    """

    model: str | None = None
    system: str | None = None
    sampling: Sampling = field(default_factory=Sampling)
    options: ChatOptions = field(default_factory=ChatOptions)
    start: bool = True
    get_missing: bool = False
    show: bool = True
    collections: list[str] | None = None
    filter: DocumentFilter = field(default_factory=DocumentFilter)
    whole: bool | None = None
    docs_sampling: Sampling = field(default_factory=_docs_sampling)
    keep: bool = False
    id: int | None = None
    messages: list[Message] = field(default_factory=list)
    _arrived: str = ""
    _thoughts: str = ""

    def ask(self, prompt: str) -> Reply:
        """One turn. Raises `SamovarError`, after which the turn is forgotten, or KeyboardInterrupt: what has been
        said until then stays part of the conversation, as the agent has it too where that is kept.
        """
        question = Message(role="user", content=prompt)
        self._arrived = self._thoughts = ""
        try:
            reply = session.run(self._answer(question))
        except KeyboardInterrupt:
            if self._arrived:
                self.messages += [question, Message(role="assistant", content=self._arrived)]
            raise
        self.messages += [question, Message(role="assistant", content=reply.text, reasoning=reply.reasoning or None)]
        self.model = self.model or reply.model
        return reply

    @property
    def is_limited(self) -> bool:
        """Whether its owner has said how long a reply may be."""
        return (self.sampling if self.collections is None else self.docs_sampling).max_tokens is not None

    def prepare(self) -> None:
        """Find out before the first question whether there is a model to answer it; download it where asked to.

        Raises `model_unknown` and whatever else the agent says of the name, and `not_found` for a collection.
        """
        session.run(self._prepare())

    def resume(self, id_: int) -> ConversationInfo:
        """Go on with one that is kept: with its turns, its model and its collections where no others were named.

        Raises `not_found`.
        """
        kept = session.call(ConversationShow(id=id_), start=self.start)
        self.keep, self.id = True, id_
        self.messages = [turn.message for turn in kept.messages]
        self.model = self.model or kept.conversation.model
        if self.collections is None:
            self.collections = kept.conversation.collections or None
        return kept.conversation

    def forget(self) -> None:
        """Begin afresh; what is kept of it stays with the agent."""
        self.messages.clear()
        self.id = None

    def ask_documents(self, collections: list[str] | None) -> None:
        """Answer from these collections from now on; None for the model alone. Raises `not_found`."""
        for name in collections or []:
            session.call(DocsCollections(name=name), start=self.start)
        self.collections = collections

    async def _prepare(self) -> None:
        async with session.open_client(start=self.start) as client:
            for name in self.collections or []:
                await client.call(DocsCollections(name=name))
            in_memory = [instance.identifier for instance in (await client.call(Ps())).instances]
            if self.model is None:
                if not in_memory and not (await client.call(Ls())).models:
                    raise SamovarError(
                        FailureCode.MODEL_UNKNOWN,
                        "There are no models yet.",
                        hint="`samovar get smollm2-135m` downloads a small one.",
                    )
                self.model = in_memory[0] if len(in_memory) == 1 else None
            elif self.model not in in_memory:
                try:
                    await session.follow_with(client, Load(name=self.model, estimate_only=True), label=self.model)
                except SamovarError as error:
                    await self._get(client, error)

    async def _answer(self, question: Message) -> Reply:
        async with session.open_client(start=self.start) as client:
            begun = self.keep and self.id is None
            if begun:
                kept = await client.call(ConversationCreate(collections=self.collections or []))
                self.id = kept.conversation.id
            try:
                try:
                    return await self._stream(client, question)
                except SamovarError as error:
                    await self._get(client, error)
                    return await self._stream(client, question)
            except BaseException as error:
                # Of what is stopped the agent keeps the beginning, of what fails nothing.
                if begun and (isinstance(error, SamovarError) or not self._arrived):
                    await self._unkeep(client)
                raise

    async def _unkeep(self, client: Client) -> None:
        """Nobody wants to find empty conversations among what was kept; after Ctrl-C, nobody waits long for that."""
        import asyncio

        id_, self.id = self.id, None
        if id_ is not None:
            with contextlib.suppress(SamovarError, TimeoutError):
                async with asyncio.timeout(_UNKEEP_SECONDS):
                    await client.call(ConversationDelete(id=id_))

    def _request(self, question: Message) -> Chat | DocsAsk:
        if self.collections is None:
            system = [Message(role="system", content=self.system)] if self.system else []
            return Chat(
                model=self.model,
                messages=[*system, *self.messages, question],
                sampling=self.sampling,
                options=self.options,
                conversation=self.id,
            )
        return DocsAsk(
            question=question.content,
            collections=self.collections,
            filter=self.filter,
            model=self.model,
            history=[] if self.id is not None else list(self.messages),
            conversation=self.id,
            system=self.system or "",
            whole=self.whole,
            sampling=self.docs_sampling,
            options=self.options,
        )

    async def _stream(self, client: Client, question: Message) -> Reply:
        # What answers it is one of two types, and so is what is asked; mypy would want to know which.
        request = cast("StreamRequest[AnyDelta | Progress, Reply]", self._request(question))
        try:
            with ProgressBar(self.model or "the model") as bar:
                async with client.stream(request) as stream:
                    async for chunk in stream:
                        if isinstance(chunk, Progress):
                            bar.show(chunk)
                            continue
                        bar.close()
                        if isinstance(chunk, Thinking):
                            self._think(chunk.text)
                        elif isinstance(chunk, Text):
                            self._say(chunk.text)
            if stream.reply.text and not self._arrived:
                # What the agent says itself, without a model, need not come in pieces.
                self._say(stream.reply.text)
        finally:
            # Whatever comes next, the shell's prompt or an error, starts on a line of its own.
            if self._arrived and not self._arrived.endswith("\n"):
                self._write("\n")
            elif not self._arrived:
                self._end_thoughts()
        return stream.reply

    async def _get(self, client: Client, error: SamovarError) -> None:
        """Download the model that `error` says is unknown; any other error, or an unknown one, is raised again."""
        if not (self.get_missing and self.model and error.code == FailureCode.MODEL_UNKNOWN):
            raise error
        output.note(f"{self.model} is not on this machine; looking for it in the catalog.")
        try:
            got = await session.follow_with(client, Get(name=self.model), label=self.model)
        except SamovarError as failed:
            raise error if failed.code == FailureCode.MODEL_UNKNOWN else failed from None
        assert got.model is not None  # it was not asked for in the background
        self.model = got.model.key

    def _think(self, text: str) -> None:
        """On stderr, because a program that reads the reply does not want it; for people only."""
        if self.show and terminal.stderr_is_terminal():
            self._thoughts += text
            click.echo(click.style(terminal.harmless(text), dim=True), err=True, nl=False)

    def _say(self, text: str) -> None:
        if not self._arrived:
            self._end_thoughts()
        self._arrived += text
        self._write(text)

    def _end_thoughts(self) -> None:
        """The answer stands below what was thought, one empty line apart."""
        if self._thoughts:
            click.echo("\n" if self._thoughts.endswith("\n") else "\n\n", err=True, nl=False)

    def _write(self, text: str) -> None:
        if self.show:
            terminal.write(text)


def ask_once(conversation: Conversation, prompt: str, *, as_json: bool, stats: bool) -> None:
    """One question, one answer, as text or as JSON."""
    reply = conversation.ask(prompt)
    if as_json:
        output.show_json(reply if conversation.id is None else _with_id(reply, conversation.id))
    else:
        if reply.finish_reason == "length" and not conversation.is_limited:
            output.note(cut_line(reply) or "(The reply ends here because the model's context is full.)")
        if isinstance(reply, DocsAskReply):
            sources.show_worth(reply)
    if conversation.keep:
        output.note(kept_line(conversation), dim=True)
    if stats:
        output.note(stats_line(reply.stats), dim=True)


def _with_id(reply: Reply, id_: int) -> dict[str, Any]:
    """The reply for programs that want to go on with it; a chat's does not say where it is kept."""
    shown: dict[str, Any] = msgspec.to_builtins(reply)
    return shown | {"conversation": id_}


def cut_line(reply: Reply) -> str | None:
    """That an answer from documents ends where the agent's limit for them is; None where it ended otherwise."""
    tokens = reply.stats.completion_tokens
    if isinstance(reply, DocsAskReply) and tokens in (DOCS_ASK_TOKENS, DOCS_ASK_THINKING_TOKENS):
        return f"(The reply ends here after {human.number(tokens)} tokens; --max-tokens allows more.)"
    return None


def kept_line(conversation: Conversation) -> str:
    """Where it is kept, for people."""
    return f"(Kept as conversation {conversation.id}; `samovar chat --conversation {conversation.id}` goes on.)"


def prompt_with_stdin(prompt: str | None) -> str | None:
    """The prompt, and behind it what was piped in; None where this is a terminal and nobody gave a prompt."""
    if terminal.stdin_is_terminal():
        return prompt
    whole = "\n\n".join(part for part in (prompt, piped().decode(errors="replace").strip()) if part)
    if not whole:
        raise click.UsageError("There is no prompt: give one, pipe one in, or use a terminal to chat.")
    return whole


def stats_line(stats: Stats) -> str:
    """What a reply took, for people."""
    times = [(stats.queue_seconds, "in the queue"), (stats.load_seconds, "to load the model")]
    waits = [f"{seconds:.2f} s {what}" for seconds, what in times if seconds >= 0.1]
    first = f"first token after {stats.time_to_first_token:.2f} s" + (f" ({', '.join(waits)})" if waits else "")
    prompt = f"prompt {stats.prompt_tokens} tokens ({stats.cached_tokens} cached) in {stats.prompt_seconds:.2f} s"
    reply = f"reply {stats.completion_tokens} tokens in {stats.decode_seconds:.2f} s"
    if stats.tokens_per_second:
        reply += f" ({stats.tokens_per_second:.1f} tokens/s)"
    parts = [first, prompt, reply]
    if stats.drafted_tokens:
        parts.append(f"{stats.accepted_tokens} of {stats.drafted_tokens} guessed tokens right")
    total = human.duration(stats.time_to_first_token + stats.decode_seconds)
    return ", ".join(parts) + f", {total} in all"
