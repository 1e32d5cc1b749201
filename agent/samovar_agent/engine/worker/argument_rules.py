"""Grammar rules for a tool's arguments where a family does not write them as a JSON object."""

from __future__ import annotations

from typing import Any

from samovar_agent.engine.worker.grammar.automaton import Automaton, Length, Without, add_rules
from samovar_agent.engine.worker.grammar.containers import array_rule
from samovar_agent.engine.worker.grammar.formats import FORMATS
from samovar_agent.engine.worker.grammar.keywords import Keywords
from samovar_agent.engine.worker.grammar.limits import Steps, refusal
from samovar_agent.engine.worker.grammar.pattern import Pattern
from samovar_agent.engine.worker.grammar.rules import Alternative, Piece, Ref, Rules, literal
from samovar_agent.engine.worker.grammar.schema import SchemaRules
from samovar_agent.engine.worker.output.frame import ParameterLayout
from samovar_agent.engine.worker.output.typed import types_of

_SCALARS = {"number", "integer", "boolean", "null"}


class ArgumentRules:
    """The rules of one tool. - schema: of its arguments. - path: what to call that in messages."""

    def __init__(self, schema: dict[str, Any], layout: ParameterLayout, rules: Rules, path: str) -> None:
        self._schema, self._layout, self._rules, self._path = schema, layout, rules, path
        self._steps = Steps()
        self._json = SchemaRules(schema, rules, path=path)
        self._anything = ""

    def arguments(self) -> Alternative:
        """What stands between the call's name and its end."""
        return self._members(self._schema, self._path)

    def _members(self, schema: dict[str, Any], path: str) -> Alternative:
        """The properties in the schema's order, those that are not required perhaps."""
        layout, keywords = self._layout, Keywords(schema, path)
        required = keywords.required()
        properties = {**keywords.properties(), **{name: True for name in required if name not in keywords.properties()}}
        comma: list[Piece] = [literal(layout.separator)] if layout.separator else []
        after: list[Piece] = []
        first: list[Alternative] = [[]]
        # From the last to the first, so that each knows what may follow it.
        for name in reversed(properties):
            written = [
                literal(f"{layout.before}{name}{layout.between}"),
                *self._value(properties[name], f"{path}/properties/{name}"),
            ]
            if layout.after:
                written.append(literal(layout.after))
            rest = Ref(self._rules.add([after]))
            this = [*written, rest]
            first = [this] if name in required else [this, *first]
            after = [*comma, *this] if name in required else [Ref(self._rules.add([[*comma, *this], [rest]]))]
        return [Ref(self._rules.add(first))]

    def _value(self, schema: Any, path: str) -> list[Piece]:
        types = types_of(schema) if isinstance(schema, dict) else set[str]()
        if types == {"string"}:
            return self._text(Keywords(schema, path))
        if not self._layout.nested_strings or (types and types <= _SCALARS):
            return [Ref(self._json.value(schema))]
        if types == {"object"} and Keywords(schema, path).properties():
            return [literal("{"), *self._members(schema, path), literal("}")]
        if types == {"array"}:
            low, high = Keywords(schema, path).range("minItems", "maxItems")
            item = self._rules.add([self._value(schema.get("items", True), f"{path}/items")])
            return [Ref(self._rules.add(array_rule(self._rules, [], item, low, high)))]
        return [Ref(self._any())]

    def _text(self, keywords: Keywords) -> list[Piece]:
        """A text as it is, without escapes; what ends it must not be in it."""
        end = self._layout.string_end
        quote: list[Piece] = [literal(self._layout.string_quote)] if self._layout.string_quote else []
        pattern, format_, listed = keywords.pattern(), keywords.format(), keywords.values()
        if listed is not None:
            texts = [text for text in listed if isinstance(text, str) and end not in text]
            if not texts:
                raise refusal(keywords.path, "lists no text that this model could write")
            return [*quote, Ref(self._rules.any_of(texts)), *quote]
        automata: list[Automaton] = [Without(end)]
        automata += [Pattern(one, keywords.path, self._steps) for one in (pattern,) if one is not None]
        automata += [
            Pattern(f"^({FORMATS[one]})$", keywords.path, self._steps) for one in (format_,) if one is not None
        ]
        low, high = keywords.range("minLength", "maxLength")
        if low or high is not None:
            automata.append(Length(low, high))
        name = add_rules(self._rules, automata, quoted=False, steps=self._steps, path=keywords.path)
        return [*quote, Ref(name), *quote]

    def _any(self) -> str:
        """Any value at all in the family's own notation."""
        if not self._anything:
            rules = self._rules
            self._anything = value = rules.reserve()
            text = rules.add([self._text(Keywords({}, self._path))])
            member = rules.add([["[A-Za-z0-9_-]{1,64}", literal(":"), Ref(value)]])
            more = rules.add([[literal(","), Ref(member)]])
            members = rules.add([[Ref(member), Ref(more, 0, None)], []])
            items = rules.add(array_rule(rules, [], value, 0, None))
            plain = [[Ref(one)] for one in ("number", "boolean", "null")]
            rules.define(value, [*plain, [Ref(text)], [literal("{"), Ref(members), literal("}")], [Ref(items)]])
        return self._anything
