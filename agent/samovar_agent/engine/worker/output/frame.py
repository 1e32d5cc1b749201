"""What a grammar needs to know so that a model writes calls which the family's parser reads."""

from __future__ import annotations

import msgspec

from samovar_agent.engine.worker.output.family import Family


class ParameterLayout(msgspec.Struct, frozen=True, kw_only=True):
    """Arguments that are no JSON object. Each is `before`, its key as it is, `between`, its value, `after`.

    - separator: between two arguments. - string_quote: stands on both sides of a string, which is written without
    escapes. - string_end: what such a string must not contain. - nested_strings: whether strings inside of objects and
    lists are written the same way, and keys there without quotes; otherwise values that are no strings are JSON.
    """

    before: str
    between: str
    after: str
    separator: str = ""
    string_quote: str = ""
    string_end: str
    nested_strings: bool = False


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """The calls of a reply: one of `openings`, calls with `separator` between them, `closing`.

    A call is `before`, the tool's name, `between`, the arguments, `after`.

    - separator: None where the family writes one call a reply. - triggers: texts at which a lazy grammar starts; the
    grammar accepts them as the beginning of what is described here. - start_triggers: the same, but only where the
    reply begins or its reasoning has ended. - parameters: None where the arguments are a JSON object.
    """

    openings: tuple[str, ...] = ("",)
    before: str
    between: str
    after: str
    separator: str | None
    closing: str = ""
    triggers: tuple[str, ...] = ()
    start_triggers: tuple[str, ...] = ()
    parameters: ParameterLayout | None = None


def _native_gemma(opener: str, closer: str, quote: str) -> Frame:
    layout = ParameterLayout(
        before="", between=":", after="", separator=",", string_quote=quote, string_end=quote, nested_strings=True
    )
    return Frame(
        before=f"{opener}call:",
        between="{",
        after=f"}}{closer}",
        separator="",
        triggers=(opener,),
        parameters=layout,
    )


_BARE = Frame(
    before='{"name": "',
    between='", "arguments": ',
    after="}",
    separator=None,
    start_triggers=('{"name": "',),
)

_FRAMES = {
    Family.JSON: _BARE,
    Family.GEMMA: msgspec.structs.replace(_BARE, between='", "parameters": '),
    Family.LLAMA: msgspec.structs.replace(
        _BARE, openings=("", "<|python_tag|>"), between='", "parameters": ', triggers=("<|python_tag|>",)
    ),
    Family.HERMES: Frame(
        before='<tool_call>\n{"name": "',
        between='", "arguments": ',
        after="}\n</tool_call>",
        separator="\n",
        triggers=("<tool_call>",),
    ),
    Family.QWEN_CODER: Frame(
        before="<tool_call>\n<function=",
        between=">\n",
        after="</function>\n</tool_call>",
        separator="\n",
        triggers=("<tool_call>",),
        parameters=ParameterLayout(
            before="<parameter=", between=">\n", after="\n</parameter>\n", string_end="</parameter>"
        ),
    ),
    Family.GLM: Frame(
        before="<tool_call>",
        between="\n",
        after="</tool_call>",
        separator="\n",
        triggers=("<tool_call>",),
        parameters=ParameterLayout(
            before="<arg_key>",
            between="</arg_key>\n<arg_value>",
            after="</arg_value>\n",
            string_end="</arg_value>",
        ),
    ),
    Family.MISTRAL: Frame(
        openings=("[TOOL_CALLS][",),
        before='{"name": "',
        between='", "arguments": ',
        after="}",
        separator=", ",
        closing="]",
        triggers=("[TOOL_CALLS]",),
    ),
    Family.MISTRAL_ARGS: Frame(
        before="[TOOL_CALLS]", between="[ARGS]", after="", separator="", triggers=("[TOOL_CALLS]",)
    ),
    Family.DEEPSEEK: Frame(
        openings=("<｜tool▁calls▁begin｜>",),
        before="<｜tool▁call▁begin｜>function<｜tool▁sep｜>",
        between="\n```json\n",
        after="\n```<｜tool▁call▁end｜>",
        separator="\n",
        closing="<｜tool▁calls▁end｜>",
        triggers=("<｜tool▁calls▁begin｜>",),
    ),
    Family.DEEPSEEK_V31: Frame(
        openings=("<｜tool▁calls▁begin｜>",),
        before="<｜tool▁call▁begin｜>",
        between="<｜tool▁sep｜>",
        after="<｜tool▁call▁end｜>",
        separator="",
        closing="<｜tool▁calls▁end｜>",
        triggers=("<｜tool▁calls▁begin｜>",),
    ),
    Family.GEMMA4: _native_gemma("<|tool_call>", "<tool_call|>", '<|"|>'),
    Family.FUNCTION_GEMMA: _native_gemma("<start_function_call>", "<end_function_call>", "<escape>"),
    Family.HARMONY: Frame(
        before="<|channel|>commentary to=functions.",
        between=" <|constrain|>json<|message|>",
        after="",  # `<|call|>` follows, an end token, which no grammar has to ask for
        separator=None,
        triggers=("<|channel|>commentary to=functions.",),
    ),
}


def tool_call_frame(family: Family) -> Frame:
    """The literal text around a call's name and arguments."""
    return _FRAMES[family]
