"""What is done for a request before anything is computed: all that can be refused.

prepared = prepare(model, chat_template(model), generation)
check_room(len(prepared.tokens), context_length, model.trained_context)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol
from weakref import WeakKeyDictionary

from samovar_agent.engine.interface import Generation, RenderedPrompt
from samovar_agent.engine.worker.constraint import Constraint
from samovar_agent.engine.worker.fill import FillTokens, fill_prompt, fill_tokens
from samovar_agent.engine.worker.length import tokens_if_far_too_many
from samovar_agent.engine.worker.line_limits import LimitedLines
from samovar_agent.engine.worker.model import Model
from samovar_agent.engine.worker.output import Family, parser_for
from samovar_agent.engine.worker.output.reasoning import reasoning_frame
from samovar_agent.engine.worker.output.special import special_markers
from samovar_agent.engine.worker.reply_parser import PlainReply, ReplyParser, StructuredReply
from samovar_agent.engine.worker.template import ChatTemplate, Rendered
from samovar_agent.engine.worker.thinking_budget import ThinkingBudget
from samovar_agent.engine.worker.tokens import KnownTokens, markers_of, seams_of, special_tokens
from samovar_agent.engine.worker.tool_grammar import ConstraintCache, Reasoning, Wanted
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import ChatOptions, NamedTool, Tool

_TAIL = 400
"""Characters at the end of a prompt that can say whether reasoning has begun."""
_SOME_TEXT = "."
_TOOL_NAME = re.compile(r"[A-Za-z0-9_.:/-]{1,128}")


class Vocabulary(Protocol):
    """The part of `Model` that knows tokens."""

    @property
    def vocabulary_size(self) -> int:
        """How many tokens there are."""

    @property
    def trained_context(self) -> int:
        """Tokens that it was trained to read at once."""

    @property
    def end_tokens(self) -> frozenset[int]:
        """All tokens that end the model's turn."""

    @property
    def fill_tokens(self) -> FillTokens | None:
        """The markers for filling in the middle; None where the model has none."""

    def tokenize(self, text: str, *, special: bool, bos: bool = False) -> list[int]:
        """The tokens of a text."""

    def piece(self, token: int, *, special: bool = False) -> bytes:
        """A token's bytes."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request, ready to compute.

    - tokens: the prompt. - constraint: what the reply must look like. - stop_tokens: end a reply; they are not shown.
    - parser: makes what reads one reply; gets the number of the choice. - thinking: makes what ends its reasoning in
    time.
    """

    tokens: list[int]
    constraint: Constraint | None
    stop_tokens: frozenset[int]
    parser: Callable[[int], ReplyParser]
    thinking: ThinkingBudget | None = None


_Parts = tuple[list[int], Constraint | None, Callable[[int], ReplyParser], ThinkingBudget | None]
_constraints = ConstraintCache()
_known: WeakKeyDictionary[Vocabulary, KnownTokens] = WeakKeyDictionary()


def prepare(
    model: Vocabulary, template: ChatTemplate, generation: Generation, *, context_length: int | None = None
) -> Prepared:
    """Everything but the computing. May be called by several threads.

    - context_length: for prompts that may be shortened, and for those that are far too long, which raise
    `context_overflow`. Raises `bad_request` for an empty prompt, tokens that the model does not have, tools, schemas
    and grammars that cannot be, and what the template says; and `model_unsupported` for a suffix that the model cannot
    write up to.
    """
    sampling = generation.sampling
    check_tokens(model, [*sampling.stop_tokens, *sampling.logit_bias])
    own_ends = model.end_tokens
    if generation.suffix is not None:
        tokens, constraint, parser, thinking = _fill(model, generation, context_length)
        own_ends |= fill_tokens(model).all
    elif generation.prompt is None:
        tokens, constraint, parser, thinking = _conversation(model, template, generation, context_length)
    else:
        tokens, constraint, parser, thinking = _raw(model, generation.prompt, generation, context_length)
    if not tokens:
        raise SamovarError(FailureCode.BAD_REQUEST, "The prompt is empty.", hint="Send at least one message with text.")
    ends = frozenset[int]() if sampling.ignore_eos else own_ends
    return Prepared(tokens, constraint, ends.union(sampling.stop_tokens), parser, thinking)


def rendered(model: Vocabulary, template: ChatTemplate, generation: Generation) -> RenderedPrompt:
    """The prompt of a request, without computing anything; raises what `prepare` does for it."""
    if generation.suffix is not None:
        return RenderedPrompt(text="", tokens=fill_prompt(model, generation, None))
    if generation.prompt is not None:
        tokens, _, _, _ = _raw(model, generation.prompt, generation)
        return RenderedPrompt(text=generation.prompt if isinstance(generation.prompt, str) else "", tokens=tokens)
    prompt = _rendered(template, generation)
    return RenderedPrompt(text=prompt.text, tokens=_tokens(model, prompt.parts))


def chat_template(model: Model) -> ChatTemplate:
    """The model's own template, or the most common one; keeps people from typing the model's markers."""
    source, specials = model.chat_template, special_tokens(model)
    return ChatTemplate(
        source,
        bos=model.bos_text,
        eos=model.eos_text,
        markers=markers_of(specials, source or ""),
        seams=seams_of(specials),
    )


def check_room(prompt_tokens: int, context_length: int, trained_context: int, *, counted: str = "") -> None:
    """Raises `context_overflow` where the prompt is longer than the context.

    - trained_context: most that it can be. - counted: "over ", where not all were.
    """
    if prompt_tokens > context_length:
        raise SamovarError(
            FailureCode.CONTEXT_OVERFLOW,
            f"The prompt has {counted}{prompt_tokens:,} tokens; the context holds {context_length:,}.",
            hint="Shorten it, or load the model with a larger context.",
            details={
                "prompt_tokens": prompt_tokens,
                "context_length": context_length,
                "trained_context": trained_context,
            },
        )


def _check_length(model: Vocabulary, texts: Sequence[str], context_length: int | None) -> None:
    if context_length is not None:
        tokens = tokens_if_far_too_many(texts, context_length, partial(model.tokenize, special=True))
        check_room(tokens or 0, context_length, model.trained_context, counted="over ")


def _raw(
    model: Vocabulary, prompt: str | list[int], generation: Generation, context_length: int | None = None
) -> _Parts:
    """Text or tokens to go on from; markers in it are meant, and the reply is text whatever it holds."""
    if isinstance(prompt, str):
        _check_length(model, [prompt], context_length)
        tokens = model.tokenize(prompt, special=True, bos=True) if prompt else []
    else:
        tokens = prompt
        check_tokens(model, tokens)
    return tokens, _format(generation), _plain(model, generation.sampling.stop), None


def _fill(model: Vocabulary, generation: Generation, context_length: int | None) -> _Parts:
    if not generation.infill.shorten:
        texts = [generation.prompt or "", generation.suffix or "", *(file.text for file in generation.infill.files)]
        _check_length(model, [text for text in texts if isinstance(text, str)], context_length)
    tokens = fill_prompt(model, generation, context_length)
    infill, plain = generation.infill, _plain(model, generation.sampling.stop)
    parser = plain
    if infill.indent or infill.seconds is not None:

        def limited(choice: int) -> ReplyParser:
            return LimitedLines(plain(choice), indent=infill.indent, seconds=infill.seconds)

        parser = limited
    return tokens, _format(generation), parser, None


def _format(generation: Generation) -> Constraint | None:
    return _constraints.get(Wanted(family=Family.JSON, reply_format=generation.options.reply_format))


def _conversation(
    model: Vocabulary, template: ChatTemplate, generation: Generation, context_length: int | None
) -> _Parts:
    options, stops = generation.options, generation.sampling.stop
    tools = _offered(options)
    prompt = _rendered(template, generation)
    _check_length(model, prompt.parts, context_length)
    tokens = _tokens(model, prompt.parts)
    family = template.family if tools else template.detected
    tail = prompt.text.removesuffix(prompt.begun)[-_TAIL:]
    reasoning = _reasoning(family, tail) if template.thinks and not prompt.begun else "none"
    wanted = Wanted(
        family=family,
        reasoning=reasoning,
        tools=_callable(options, tools),
        must_call=bool(tools) and options.tool_choice != "auto",
        parallel=options.parallel_tool_calls,
        reply_format=options.reply_format,
    )
    constraint = _constraints.get(wanted)
    if not tools and not template.thinks:
        return tokens, constraint, _plain(model, [*stops, *template.stop]), None

    def parser(choice: int) -> ReplyParser:
        reader = parser_for(family, tools=tools, reasoning=True, prompt_tail=tail)
        if prompt.begun:
            reader.feed(_SOME_TEXT)  # no white space is cut off, and no call is looked for, where an answer goes on
        markers = special_markers(family)
        return StructuredReply(model, reader, markers, choice=choice, stops=stops, raw_stops=template.stop)

    return tokens, constraint, parser, _thinking(model, family, reasoning, options.thinking_budget)


def _rendered(template: ChatTemplate, generation: Generation) -> Rendered:
    options = generation.options
    return template.render(
        generation.messages,
        tools=_offered(options),
        thinking=options.thinking,
        arguments=options.template_arguments,
        continue_final_message=options.continue_final_message,
    )


def _thinking(model: Vocabulary, family: Family, reasoning: Reasoning, budget: int | None) -> ThinkingBudget | None:
    if budget is None or reasoning == "none":
        return None
    frame = reasoning_frame(family)
    closing = model.tokenize(frame.end, special=True)
    return ThinkingBudget(budget, begin=frame.begin, end=frame.end, closing=closing, begun=reasoning == "open")


def _tokens(model: Vocabulary, parts: Sequence[str]) -> list[int]:
    if not any(parts):
        return []
    known, tokenize = _known.setdefault(model, KnownTokens()), partial(model.tokenize, special=True)
    tokens = list(known.of(parts[0], partial(tokenize, bos=True), first=True))
    for part in parts[1:]:
        tokens += known.of(part, tokenize)
    return tokens


def _plain(model: Vocabulary, stops: Sequence[str]) -> Callable[[int], ReplyParser]:
    return lambda choice: PlainReply(model, choice=choice, stops=stops)


def check_tokens(model: Vocabulary, tokens: Sequence[int]) -> None:
    """Raises `bad_request` for a token that the model does not have."""
    size = model.vocabulary_size
    wrong = next((token for token in tokens if not 0 <= token < size), None)
    if wrong is not None:
        raise SamovarError(
            FailureCode.BAD_REQUEST,
            f"The model has no token {wrong}; its tokens are 0 to {size - 1:,}.",
            hint="Use the tokens of this very model.",
        )


def _offered(options: ChatOptions) -> list[Tool]:
    """The tools that the model is told of."""
    tools = options.tools if options.tool_choice != "none" else []
    names: set[str] = set()
    for tool in tools:
        if not _TOOL_NAME.fullmatch(tool.name) or tool.name in names:
            what = "is there twice" if tool.name in names else "is not a name that models can write"
            raise SamovarError(
                FailureCode.BAD_REQUEST,
                f"The tool name '{tool.name[:100]}' {what}.",
                hint="Give each tool a name of its own, of letters, digits, '_' and '-'.",
            )
        names.add(tool.name)
    if not tools and (options.tool_choice == "required" or isinstance(options.tool_choice, NamedTool)):
        raise SamovarError(FailureCode.BAD_REQUEST, "A tool must be called, and there is none.", hint="Send the tools.")
    return tools


def _callable(options: ChatOptions, tools: list[Tool]) -> list[Tool]:
    """The tools that it may call."""
    choice = options.tool_choice
    if not isinstance(choice, NamedTool):
        return tools
    named = [tool for tool in tools if tool.name == choice.name]
    if not named:
        raise SamovarError(
            FailureCode.BAD_REQUEST,
            f"The tool '{choice.name[:100]}' must be called, and it is not among the tools.",
            hint="Send that tool, or choose one of those that are sent.",
        )
    return named


def _reasoning(family: Family, tail: str) -> Reasoning:
    frame, end = reasoning_frame(family), tail.rstrip()
    if end.endswith(frame.end) and family is not Family.HARMONY:
        return "none"
    return "open" if end.endswith(frame.begin) else "possible"
