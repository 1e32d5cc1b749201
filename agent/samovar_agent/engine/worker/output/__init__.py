"""What chat models write, taken apart while they write it: reasoning, content and tool calls.

parser = parser_for(detect(template), tools=tools, reasoning=True, prompt_tail=prompt[-200:])
deltas = [*parser.feed(text), *parser.finish()]
"""

from samovar_agent.engine.worker.output.deltas import (
    Content,
    Delta,
    OutputParser,
    Reasoning,
    ToolCallArguments,
    ToolCallBegan,
)
from samovar_agent.engine.worker.output.family import Family, detect
from samovar_agent.engine.worker.output.frame import Frame, ParameterLayout, tool_call_frame
from samovar_agent.engine.worker.output.parsers import parser_for
from samovar_protocol.values import Tool

__all__ = [
    "Content",
    "Delta",
    "Family",
    "Frame",
    "OutputParser",
    "ParameterLayout",
    "Reasoning",
    "Tool",
    "ToolCallArguments",
    "ToolCallBegan",
    "detect",
    "parser_for",
    "tool_call_frame",
]
