"""Where chat templates run: no way out of the conversation, and no step that eats all memory."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, ItemsView, Iterable, KeysView, ValuesView
from typing import Any, NoReturn

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

MAX_CHARACTERS = 16 * 1024 * 1024
"""Of one text, or items of one list, inside of a template."""
_MAX_NUMBER = 1_000_000
"""Of a width, a count or a size that a template asks for."""
_ITEM_CHARACTERS = 64
"""What an item of a list or an object counts as, beside its own text, where these become text."""
_NEVER_TEXT = frozenset(
    {"attr", "count", "d", "default", "first", "items", "last", "length", "list", "map", "reject", "rejectattr"}
    | {"reverse", "select", "selectattr"}
)
"""Filters that make no text of what they are given, and that templates ask in every turn."""
_WIDE = re.compile(r"[0-9]{5}|:[^{}]*\{")
"""In a format: a width of five digits, or one that comes from an argument."""


class TemplateError(Exception):
    """The template itself refuses the conversation."""


class Generation(Extension):
    """`{% generation %}`, which marks for trainers what the model writes; its body is rendered as it is."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """The body of the block."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class _Code(CodeGenerator):
    """Compiles `~` into a call that looks at the size of what comes out, and of what goes in."""

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
        """One chain of `~`."""
        self.write("environment.concat([")
        for one in node.nodes:
            self.write("environment.text(")
            self.visit(one, frame)
            self.write("), ")
        self.write("])")


def _concat(texts: Iterable[str]) -> str:
    parts = list(texts)
    _check_size(sum(map(len, parts)))
    return "".join(parts)


class Environment(ImmutableSandboxedEnvironment):
    """The sandbox; also guards what can eat all memory in one step, or in a few that double a text each time."""

    code_generator_class = _Code
    concat = staticmethod(_concat)
    text = staticmethod(lambda value: str(_checked(value)))
    intercepted_binops = frozenset({"*", "**", "%", "+"})

    def __init__(self) -> None:
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, Generation], finalize=_checked)
        self.filters = {name: _guarded(name, one) for name, one in self.filters.items()}

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """One of `intercepted_binops`."""
        if operator == "+" and hasattr(left, "__len__") and hasattr(right, "__len__"):
            _check_size(len(left) + len(right))
        elif operator == "**" and isinstance(left, int) and isinstance(right, int) and abs(right) > 64:
            raise OverflowError("the number is too large")
        elif operator == "%" and isinstance(left, str):
            _check_call("format", left, right if isinstance(right, tuple) else (right,))
        elif operator == "*":
            for one, other in ((left, right), (right, left)):
                if isinstance(one, int) and hasattr(other, "__len__"):
                    _check_size(one * len(other))
        return super().call_binop(context, operator, left, right)

    def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        """A call of a method, a macro or a function; a text's own methods can make it any size."""
        owner = getattr(__obj, "__self__", None)
        if isinstance(owner, str):
            _check_call(__obj.__name__, owner, args)
        return super().call(__context, __obj, *args, **kwargs)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """`str.format` in Jinja's own safe form."""
        wrapped = super().wrap_str_format(value)
        return wrapped and _guarded_format(value, wrapped)

    def unsafe_undefined(self, obj: Any, attribute: str) -> NoReturn:
        """Jinja's own would render as an empty text."""
        raise SecurityError(f"'{attribute}' is not allowed here")


def raise_exception(message: str) -> NoReturn:
    """What templates call to refuse a conversation."""
    raise TemplateError(str(message).rstrip("."))


def to_json(value: Any, ensure_ascii: bool = False, indent: int | None = None, **options: Any) -> str:
    """Jinja's own filter escapes for HTML, which would change the prompt."""
    if isinstance(indent, int):
        indent = min(indent, 16)
    return json.dumps(_checked(value), ensure_ascii=ensure_ascii, indent=indent, **options)


def _guarded(name: str, filter_: Callable[..., Any]) -> Callable[..., Any]:
    takes_context = hasattr(filter_, "jinja_pass_arg")

    @functools.wraps(filter_)
    def call(*args: Any, **kwargs: Any) -> Any:
        value, *others = args[1:] if takes_context else args
        _check_call(name, value, (*others, *kwargs.values()))
        return filter_(*args, **kwargs)

    return call


def _guarded_format(method: Any, format_: Callable[..., str]) -> Callable[..., str]:
    def call(*args: Any, **kwargs: Any) -> str:
        _check_call("format", method.__self__, (*args, *kwargs.values()))
        return format_(*args, **kwargs)

    return call


def _check_call(name: str, value: Any, arguments: tuple[Any, ...]) -> None:
    """Look at what a method or a filter is asked to do."""
    if any(isinstance(one, int) and abs(one) > _MAX_NUMBER for one in arguments):
        raise OverflowError("the number is too large")
    if name not in _NEVER_TEXT:
        for one in (value, *arguments):
            _checked(one)
    if name in ("format", "format_map") and isinstance(value, str) and _WIDE.search(value):
        raise OverflowError("the text is too long")
    if name == "replace" and isinstance(value, str) and all(isinstance(one, str) for one in arguments[:2]):
        _check_size(len(value) + value.count(arguments[0]) * len(arguments[1]))
    if name == "join" and any(isinstance(one, list | tuple) for one in (value, *arguments)):
        texts = next(one for one in (value, *arguments) if isinstance(one, list | tuple))
        between = max((len(one) for one in (value, *arguments) if isinstance(one, str)), default=0)
        _check_size(sum(between + (len(one) if isinstance(one, str) else 0) for one in texts))


def _checked(value: Any) -> Any:
    """A value that may become text: one that holds itself twice, sixty times over, is small until then."""
    if isinstance(value, str):
        return value
    size = 0
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Namespace):
            raise SecurityError("a namespace is no text")
        if isinstance(one, dict):
            size += _ITEM_CHARACTERS * len(one)
            _check_size(size)
            waiting += one
            waiting += one.values()
        elif isinstance(one, list | tuple | set | frozenset | KeysView | ValuesView | ItemsView):
            size += _ITEM_CHARACTERS * len(one)
            _check_size(size)
            waiting += one
        elif isinstance(one, str):
            size += len(one)
            _check_size(size)
    return value


def _check_size(size: int) -> None:
    if size > MAX_CHARACTERS:
        raise OverflowError("the text is too long")
