"""The chat at a terminal: one line, one answer, and a few commands that begin with a slash."""

from __future__ import annotations

import contextlib
import shlex

import click

from samovar.cli import errors, human, output, sources, terminal
from samovar.cli.conversation import Conversation, cut_line, kept_line, stats_line
from samovar_protocol import SamovarError
from samovar_protocol.replies import DocsAskReply

_HELP = """\
/clear          forget the conversation; one that is kept stays, and another begins
/docs [NAME]    show or change the collections that answers are from; /docs off for none
/system [TEXT]  show or set the system message
/model [NAME]   show or change the model
/stats          show or hide what each reply took
/exit           leave, as Ctrl-D does
A backslash at the end of a line goes on in the next. Ctrl-C stops an answer."""


class Repl:
    """Reads and answers until the end of input.

    - conversation: goes on from where it is. - stats: show what each reply took.
    """

    def __init__(self, conversation: Conversation, *, stats: bool = False) -> None:
        self._conversation = conversation
        self._stats = stats
        self._said_id = conversation.id

    def run(self) -> None:
        """Returns on Ctrl-D or /exit. Failures are shown, and the chat goes on."""
        self._conversation.prepare()
        # Importing it gives `input` line editing and a history; Windows has none, and needs none.
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401
        who = self._conversation.model or "the model that the agent chooses"
        if self._conversation.collections:
            who += f" about {', '.join(self._conversation.collections)}"
        output.note(f"Chatting with {who}. /help shows the commands, Ctrl-D leaves.")
        if self._conversation.id is not None:
            output.note(f"This goes on after {human.counted(len(self._conversation.messages), 'message')}.")
        while True:
            try:
                text = self._read()
            except EOFError:
                output.note("")
                return
            except KeyboardInterrupt:
                output.note("\nCtrl-D or /exit leaves.")
                continue
            if text.strip() == "/exit":
                return
            if text.startswith("/"):
                self._command(text)
            elif text.strip():
                self._ask(text)

    def _read(self) -> str:
        lines = [_line(">>> ")]
        while lines[-1].endswith("\\"):
            lines[-1] = lines[-1][:-1]
            lines.append(_line("... "))
        return "\n".join(lines)

    def _ask(self, prompt: str) -> None:
        try:
            reply = self._conversation.ask(prompt)
        except KeyboardInterrupt:
            output.note("(stopped)")
            self._say_where_kept()
        except SamovarError as error:
            errors.show(error.failure, as_json=False)
        else:
            if isinstance(reply, DocsAskReply):
                sources.show_worth(reply)
            if reply.finish_reason == "length" and not self._conversation.is_limited:
                output.note(cut_line(reply) or "(The context is full. /clear starts afresh.)")
            self._say_where_kept()
            if self._stats:
                output.note(stats_line(reply.stats), dim=True)

    def _say_where_kept(self) -> None:
        if self._conversation.id not in (None, self._said_id):
            self._said_id = self._conversation.id
            output.note(kept_line(self._conversation), dim=True)

    def _command(self, text: str) -> None:
        word, _, rest = text.partition(" ")
        rest = rest.strip()
        conversation = self._conversation
        match word.strip():
            case "/help":
                output.note(_HELP)
            case "/clear":
                kept = conversation.id is not None
                conversation.forget()
                output.note("Another conversation begins." if kept else "The conversation is forgotten.")
            case "/docs":
                self._docs(rest)
            case "/system":
                conversation.system = rest or conversation.system
                output.note(conversation.system or "There is no system message. `/system TEXT` sets one.")
            case "/model":
                conversation.model = rest or conversation.model
                output.note(conversation.model or "The agent chooses. `/model NAME` names one.")
            case "/stats":
                self._stats = not self._stats
                output.note("Statistics are on." if self._stats else "Statistics are off.")
            case unknown:
                output.note(f"There is no command {unknown}. /help shows them all.")

    def _docs(self, text: str) -> None:
        conversation = self._conversation
        try:
            if text == "off":
                conversation.ask_documents(None)
            elif text:
                conversation.ask_documents(_names(text))
        except SamovarError as error:
            errors.show(error.failure, as_json=False)
            return
        if conversation.collections:
            output.note(f"Answers are from {', '.join(conversation.collections)}. `/docs off` ends that.")
        else:
            output.note("Answers are the model's own. `/docs NAME` asks a collection.")


def _names(text: str) -> list[str]:
    """Several are apart by blanks; a name with blanks stands in quotation marks."""
    try:
        return shlex.split(text)
    except ValueError:  # one mark alone, as in a name with an apostrophe
        return text.split()


def _line(prompt: str) -> str:
    if terminal.stdout_is_terminal():
        return input(prompt)
    # `input` would write its prompt among the answers.
    click.echo(prompt, err=True, nl=False)
    return input()
