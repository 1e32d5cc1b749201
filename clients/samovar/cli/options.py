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

    from samovar_protocol.values import ChatOptions, Sampling

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
    from click.shell_completion import CompletionItem

    from samovar.cli import session
    from samovar_protocol import SamovarError
    from samovar_protocol.requests import Ls

    try:
        models = session.call(Ls(), start=False, timeout=COMPLETION_SECONDS).models
    except (SamovarError, OSError, TimeoutError):
        return []
    names = {model.key for model in models} | {name for model in models for name in model.loaded}
    return [CompletionItem(name) for name in sorted(names) if incomplete.lower() in name.lower()]


def sampling_options(function: F) -> F:
    """How replies are drawn; the command receives them as keywords for `sampling`."""
    for option in reversed(
        [
            click.option("--temperature", metavar="X", type=click.FloatRange(0, 100), help="0 is greedy. Default 0.8."),
            click.option(
                "--top-p", metavar="X", type=click.FloatRange(0, 1), help="Nucleus sampling; 1 is off. Default 0.95."
            ),
            click.option("--max-tokens", metavar="N", type=click.IntRange(1, 100_000_000), help="Longest reply."),
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

    given = {name: value for name, value in values.items() if value not in (None, ())}
    return msgspec.convert(given, Sampling)


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


def chat_options(function: F) -> F:
    """What replies may be; the command receives it as keywords for `options`."""
    for option in (
        click.option("--think/--no-think", default=None, help="Let the model reason first, or not, where it can."),
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


def options(*, schema: dict[str, Any] | bool | None, think: bool | None) -> ChatOptions:
    """The options that were asked for on the command line."""
    from samovar_protocol.values import ChatOptions, JsonSchema

    reply_format = None if schema is None else JsonSchema(json_schema=schema)
    return ChatOptions(reply_format=reply_format, thinking=think)
