"""Options and argument types that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from samovar.cli import errors

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from samovar_protocol.requests import Request
    from samovar_protocol.values import ChatOptions, Sampling

    R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])
COMPLETION_SECONDS = 0.5
"""How long a press of the tab key may wait for the agent."""


def _remember_json(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> bool:
    if wanted:
        ctx.find_root().meta[errors.JSON_WANTED] = True
    return wanted


json_option = click.option(
    "--json", "as_json", is_flag=True, is_eager=True, callback=_remember_json, help="Print one JSON document."
)

no_start_option = click.option(
    "--no-start", is_flag=True, envvar="SAMOVAR_NO_START", help="Fail where no agent runs instead of starting one."
)


def duration(text: str) -> float:
    """Seconds from `90`, `10m`, `2h` or `1d`; a click argument type."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text.strip())
    if not match:
        raise click.BadParameter(f"'{text}' is not a duration. Use seconds, or a unit as in 90s, 10m, 2h, 1d.")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]


def complete_model(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of models for the shell; none, and no noise, where no agent answers at once."""
    from samovar_protocol.requests import Ls

    reply = _answer_at_once(Ls())
    models = reply.models if reply else []
    return _offer({model.key for model in models} | {name for model in models for name in model.loaded}, incomplete)


def complete_collection(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of collections for the shell, likewise."""
    from samovar_protocol.requests import DocsCollections

    reply = _answer_at_once(DocsCollections())
    return _offer({found.name for found in reply.collections} if reply else set(), incomplete)


def _answer_at_once(request: Request[R]) -> R | None:
    from samovar.cli import session
    from samovar_protocol import SamovarError

    try:
        return session.call(request, start=False, timeout=COMPLETION_SECONDS)
    except (SamovarError, OSError, TimeoutError):
        return None


def _offer(names: set[str], incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(name) for name in sorted(names) if incomplete.lower() in name.lower()]


def sampling_options(temperature: str, longest: str = "") -> Callable[[F], F]:
    """How replies are drawn; the command receives them as keywords for `sampling` and `docs_sampling`.

    - temperature, longest: the defaults, for people.
    """
    return lambda function: _sampling_options(function, temperature, f"Longest reply. {longest}".strip())


def _sampling_options(function: F, temperature: str, longest: str) -> F:
    for option in reversed(
        [
            click.option(
                "--temperature",
                metavar="X",
                type=click.FloatRange(0, 100),
                help=f"0 is greedy. Default {temperature}.",
            ),
            click.option(
                "--top-p", metavar="X", type=click.FloatRange(0, 1), help="Nucleus sampling; 1 is off. Default 0.95."
            ),
            click.option("--max-tokens", metavar="N", type=click.IntRange(1, 100_000_000), help=longest),
            click.option(
                "--seed", metavar="N", type=click.IntRange(0, 0xFFFFFFFE), help="Same seed and prompt, same text."
            ),
            click.option("--stop", multiple=True, metavar="TEXT", help="End the reply before TEXT; repeatable."),
        ]
    ):
        function = option(function)
    return function


def sampling(**values: Any) -> Sampling:
    """The sampling that was asked for on the command line; what was not given keeps its default."""
    import msgspec

    from samovar_protocol.values import Sampling

    return msgspec.convert(_given(values), Sampling)


def docs_sampling(**values: Any) -> Sampling:
    """The same for answers from documents, which have other defaults."""
    import msgspec

    from samovar_protocol.requests import DocsAsk

    asked = sampling(**values)
    given = {name: getattr(asked, name) for name in _given(values)}
    return msgspec.structs.replace(DocsAsk(question="?").sampling, **given)


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, ())}


def _read_schema(_ctx: click.Context, _parameter: click.Parameter, path: Path | None) -> dict[str, Any] | bool | None:
    import msgspec

    if path is None:
        return None
    try:
        schema: dict[str, Any] | bool = msgspec.json.decode(path.read_bytes(), type=dict[str, Any] | bool)
    except OSError as error:
        raise click.BadParameter(f"{path} cannot be read: {error.strerror or error}.") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise click.BadParameter(f"{path} is not a JSON Schema: {error}.") from error
    return schema


think_option = click.option(
    "--think/--no-think", default=None, help="Let the model reason first, or not, where it can."
)


def chat_options(function: F) -> F:
    """What replies may be; the command receives it as keywords for `options`."""
    for option in (
        think_option,
        click.option(
            "--schema",
            metavar="FILE",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            callback=_read_schema,
            help="Reply with JSON that the JSON Schema in FILE allows.",
        ),
    ):
        function = option(function)
    return function


def options(*, schema: dict[str, Any] | bool | None = None, think: bool | None = None) -> ChatOptions:
    """The options that were asked for on the command line."""
    from samovar_protocol.values import ChatOptions, JsonSchema

    reply_format = None if schema is None else JsonSchema(json_schema=schema)
    return ChatOptions(reply_format=reply_format, thinking=think)
