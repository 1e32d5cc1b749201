"""The chat at a terminal: one line, one answer, and a few commands that begin with a slash."""

from __future__ import annotations

import contextlib

import click

from samovar.cli import errors, output, terminal
from samovar.cli.conversation import Conversation, stats_line
from samovar_protocol import SamovarError

_HELP = """\
/clear          forget the conversation
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

    def run(self) -> None:
        """Returns on Ctrl-D or /exit. Failures are shown, and the chat goes on."""
        self._conversation.prepare()
        # Importing it gives `input` line editing and a history; Windows has none, and needs none.
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401
        who = self._conversation.model or "the model that the agent chooses"
        output.note(f"Chatting with {who}. /help shows the commands, Ctrl-D leaves.")
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
        except SamovarError as error:
            errors.show(error.failure, as_json=False)
        else:
            if reply.finish_reason == "length" and self._conversation.sampling.max_tokens is None:
                output.note("(The context is full. /clear starts afresh.)")
            if self._stats:
                output.note(stats_line(reply.stats), dim=True)

    def _command(self, text: str) -> None:
        word, _, rest = text.partition(" ")
        rest = rest.strip()
        conversation = self._conversation
        match word.strip():
            case "/help":
                output.note(_HELP)
            case "/clear":
                conversation.messages.clear()
                output.note("The conversation is forgotten.")
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


def _line(prompt: str) -> str:
    if terminal.stdout_is_terminal():
        return input(prompt)
    # `input` would write its prompt among the answers.
    click.echo(prompt, err=True, nl=False)
    return input()
