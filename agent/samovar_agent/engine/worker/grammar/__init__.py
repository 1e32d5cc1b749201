"""Structured output: what the sampler lets a model write, as a grammar in llama.cpp's own notation (GBNF).

    schema_grammar({"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]})

A grammar from a schema allows a part of what the schema allows and never more, so every finished reply is valid.
Where a keyword leaves a choice, the grammar takes what people mean: no properties beyond those that are named unless
`additionalProperties` says so, and the type that a keyword is for where `type` is missing.
"""

from samovar_agent.engine.worker.grammar.check import check_grammar
from samovar_agent.engine.worker.grammar.rules import json_grammar
from samovar_agent.engine.worker.grammar.schema import schema_grammar

__all__ = ["check_grammar", "json_grammar", "schema_grammar"]
