"""From JSON Schema to a grammar."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from samovar_agent.engine.worker.grammar.automaton import Automaton, Length, add_rules
from samovar_agent.engine.worker.grammar.conjunction import Document, Schema
from samovar_agent.engine.worker.grammar.containers import Member, Others, array_rule, object_rule, other_name_rule
from samovar_agent.engine.worker.grammar.fits import canonical, fits
from samovar_agent.engine.worker.grammar.formats import FORMATS
from samovar_agent.engine.worker.grammar.keywords import Keywords
from samovar_agent.engine.worker.grammar.limits import Steps, refusal
from samovar_agent.engine.worker.grammar.numbers import add_number_rule
from samovar_agent.engine.worker.grammar.pattern import Pattern
from samovar_agent.engine.worker.grammar.rules import Alternative, Ref, Rules, json_text, literal

_Node = tuple[Schema, ...]


def schema_grammar(schema: object) -> str:
    """The grammar of compact JSON that is valid against `schema`, a JSON Schema as JSON decodes it.

        schema_grammar({"type": "array", "items": {"type": "string"}, "maxItems": 5})

    Properties come in the schema's order. Enforced: `type`, `enum`, `const`, `properties`, `required`,
    `additionalProperties`, `propertyNames`, `patternProperties` (one, without `properties`), `minProperties` (0 and 1,
    or as many as are required), `maxProperties`, `items`, `prefixItems`, `additionalItems`, `minItems`, `maxItems`,
    `minLength`, `maxLength`, `pattern`, the formats date, time, date-time, duration, email, hostname, ipv4, ipv6 and
    uuid, bounds, `multipleOf`, `nullable`, `$ref` within the schema, `allOf` and `anyOf`. Not enforced: other formats,
    and of `oneOf` that no second one matches. Raises `bad_request` with the place and the reason for what no grammar
    can say, for schemas that allow nothing, and for those that are too large.
    """
    rules = Rules()
    text = rules.gbnf(SchemaRules(schema, rules).value())
    assert text
    return text


class SchemaRules:
    """Turns the nodes of one schema into rules, each once. A node is the schemas that hold for one value together.

    - rules: gets them, beside others. - path: what to call the schema in messages.
    """

    def __init__(self, schema: object, rules: Rules, *, path: str = "#") -> None:
        self._steps = Steps()
        self._document = Document(schema, self._steps, path)
        self._rules = rules
        self._root: Any = schema
        self._names: dict[tuple[int, ...], str] = {}
        self._nodes: dict[str, _Node] = {}
        self._uses: dict[str, list[str]] = {}
        self._reasons: dict[str, str] = {}
        self._shared: dict[Hashable, str] = {}
        self._waiting: list[str] = []
        self._current = ""

    def value(self, part: Schema | None = None, *also: Schema) -> str:
        """The name of a rule for a value that is valid against the schema, or a part of it, and against `also`."""
        root = self._node((self._root if part is None else part, *also))
        while self._waiting:
            self._current = name = self._waiting.pop()
            self._rules.define(name, self._value(self._nodes[name]))
        if root not in self._rules.ending():
            raise self._nothing(root)
        return root

    def _node(self, schemas: Sequence[Schema]) -> str:
        """The name of the rule for a value that all of `schemas` hold for; its rule is made later."""
        node = tuple({id(schema): schema for schema in schemas if schema is not True}.values())
        if not node:
            return "value"
        key = tuple(id(schema) for schema in node)
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = self._rules.reserve()
            self._nodes[name] = node
            self._waiting.append(name)
        self._uses.setdefault(self._current, []).append(name)
        return name

    def _value(self, node: _Node) -> list[Alternative]:
        alternatives: list[Alternative] = []
        texts: list[str] = []
        for leaves in self._document.alternatives(node):
            parts = [Keywords(leaf, self._document.path(leaf)) for leaf in leaves]
            listed = [values for part in parts if (values := part.values()) is not None]
            if listed:
                texts += self._texts(listed, parts)
                continue
            for kind in self._types(parts):
                alternatives += self._of_type(kind, parts)
        if texts:
            alternatives.insert(0, [Ref(self._rules.any_of(texts))])
        return alternatives

    def _texts(self, listed: list[list[Any]], parts: list[Keywords]) -> list[str]:
        """The JSON of the values that are in every list and fit all other keywords."""
        path = parts[0].path
        texts = []
        try:
            others = [set(map(canonical, values)) for values in listed[1:]]
            for value in listed[0]:
                known = all(canonical(value) in other for other in others)
                if known and all(fits(value, part, self._steps) for part in parts):
                    texts.append(json_text(value))
                    self._steps.take(path, len(texts[-1]))
        except ValueError as error:
            raise refusal(path, "lists a value that JSON cannot say") from error
        if not texts:
            self._contradiction(parts, "lists no value that fits its other keywords")
        return texts

    def _types(self, parts: list[Keywords]) -> list[str]:
        named = [types for part in parts if (types := part.types()) is not None]
        if not named:
            implied = [kind for part in parts for kind in part.implied_types()]
            return list(dict.fromkeys(implied)) or ["value"]
        kinds: list[str] = list(dict.fromkeys(named[0]))
        for other in named[1:]:
            narrowed = ("integer" if kind == "number" and "integer" in other and "number" not in other else kind
                        for kind in kinds)  # fmt: skip
            kinds = [kind for kind in narrowed if kind in other or (kind == "integer" and "number" in other)]
        if "number" in kinds and "integer" in kinds:
            kinds.remove("integer")
        if not kinds:
            self._contradiction(parts, "asks for types that exclude each other")
        return list(dict.fromkeys(kinds))

    def _of_type(self, kind: str, parts: list[Keywords]) -> list[Alternative]:
        makers: dict[str, Callable[[list[Keywords]], list[Alternative]]] = {
            "object": self._object,
            "array": self._array,
            "string": self._string,
            "number": lambda parts: self._number(parts, whole=False),
            "integer": lambda parts: self._number(parts, whole=True),
        }
        maker = makers.get(kind)
        return [[Ref(kind)]] if maker is None else maker(parts)

    def _string(self, parts: list[Keywords]) -> list[Alternative]:
        low, high = self._range(parts, "minLength", "maxLength")
        sources = [(pattern, part.path) for part in parts if (pattern := part.pattern()) is not None]
        sources += [(f"^({FORMATS[name]})$", part.path) for part in parts if (name := part.format()) is not None]
        if not sources:
            if high is None and not low:
                return [[Ref("string")]]
            return [[literal('"'), Ref("char", low, high), literal('"')]] if high is None or low <= high else []
        key = (low, high, *dict.fromkeys(source for source, _ in sources))
        if key not in self._shared:
            path = sources[0][1]
            automata: list[Automaton] = [Pattern(source, path, self._steps) for source, path in sources]
            if low or high is not None:
                automata.append(Length(low, high))
            self._shared[key] = add_rules(self._rules, automata, quoted=True, steps=self._steps, path=path)
        return [[Ref(self._shared[key])]]

    def _number(self, parts: list[Keywords], *, whole: bool) -> list[Alternative]:
        bounds = [bound for part in parts for bound in part.bounds()]
        multiples = [multiple for part in parts for multiple in part.multiples()]
        if not bounds and not multiples:
            return [[Ref("integer" if whole else "number")]]
        key = (whole, *bounds, *multiples)
        if key not in self._shared:
            self._shared[key] = add_number_rule(
                self._rules, bounds, multiples, whole=whole, steps=self._steps, path=parts[0].path
            )
        return [[Ref(self._shared[key])]]

    def _object(self, parts: list[Keywords]) -> list[Alternative]:
        low, high = self._range(parts, "minProperties", "maxProperties")
        names = dict.fromkeys(name for part in parts for name in part.properties())
        required = dict.fromkeys(name for part in parts for name in part.required())
        names.update(required)
        others = self._others(parts, list(names))
        if not names and others is None and not any("additionalProperties" in part.leaf for part in parts):
            others = Others("string", "value", None)  # an object that says nothing at all about its properties
        members = [Member(name, self._property(parts, name), name in required) for name in names]
        optional = len(members) - len(required)
        if low > max(1, len(required)):
            raise refusal(parts[0].path, f"has a minProperties of {low}, and a grammar cannot count properties")
        if high is not None:
            if high < len(required):
                self._contradiction(parts, f"requires {len(required)} properties and allows {high}")
                return []
            kept = max(0, high - len(required))
            if optional > kept:
                chosen = {member.name for member in [one for one in members if not one.required][:kept]}
                members = [member for member in members if member.required or member.name in chosen]
            if others is not None:
                others = Others(others.name, others.value, high - len(members))
        return object_rule(self._rules, members, others, empty=low == 0)

    def _property(self, parts: list[Keywords], name: str) -> str:
        """The rule for the property `name`: of each part its own schema for it, or the one for all others."""
        self._steps.take(parts[0].path, len(parts))
        schemas = []
        for part in parts:
            properties = part.properties()
            schemas.append(properties[name] if name in properties else part.leaf.get("additionalProperties", True))
        return self._node(schemas)

    def _others(self, parts: list[Keywords], known: list[str]) -> Others | None:
        """What may follow the named properties; None for nothing."""
        path = parts[0].path
        patterns = [
            (pattern, value) for part in parts for pattern, value in part.properties("patternProperties").items()
        ]
        by_name = [part.leaf["propertyNames"] for part in parts if "propertyNames" in part.leaf]
        if patterns and (known or by_name or len(patterns) > 1):
            raise refusal(path, "has 'patternProperties' beside other properties, which a grammar cannot keep apart")
        if by_name and known:
            raise refusal(path, "has 'propertyNames' beside 'properties', which a grammar cannot keep apart")
        if patterns:
            ((pattern, value),) = patterns
            automata = [Pattern(pattern, path, self._steps)]
            name = add_rules(self._rules, automata, quoted=True, steps=self._steps, path=path)
            return Others(name, self._node([value]), None)
        told = [
            part.leaf[keyword]
            for part in parts
            if (keyword := part.has(("additionalProperties", "unevaluatedProperties"))) is not None
        ]
        if False in told or not (told or by_name):
            return None
        if by_name:
            name = self._node([*by_name, _TEXT])
        else:
            name = other_name_rule(self._rules, known, path) if known else "string"
        return Others(name, self._node(told), None)

    def _array(self, parts: list[Keywords]) -> list[Alternative]:
        low, high = self._range(parts, "minItems", "maxItems")
        if (high is None or high > 1) and any(part.leaf.get("uniqueItems") is True for part in parts):
            raise refusal(
                parts[0].path,
                "has 'uniqueItems', and a grammar cannot compare values",
                hint="Leave it out, and look for duplicates in the reply.",
            )
        places = [_places(part) for part in parts]
        count = max(len(prefix) for prefix, _ in places)
        prefix = [
            self._node([one[index] if index < len(one) else (True if rest is None else rest) for one, rest in places])
            for index in range(count)
        ]
        told = [rest for _, rest in places if rest is not None]
        # Behind a tuple nothing is meant to follow, though a schema that does not mention it allows it.
        item = self._node(told) if told or not count or low > count else None
        return array_rule(self._rules, prefix, None if False in told else item, low, high)

    def _range(self, parts: list[Keywords], low: str, high: str) -> tuple[int, int | None]:
        ranges = [part.range(low, high) for part in parts]
        least = max(one for one, _ in ranges)
        most = min((other for _, other in ranges if other is not None), default=None)
        if most is not None and least > most:
            self._contradiction(parts, f"asks for a {low} of {least} and a {high} of {most}")
        return least, most

    def _contradiction(self, parts: list[Keywords], what: str) -> None:
        """Said only where it matters: another alternative may be possible, or the property may be left out."""
        self._reasons.setdefault(self._current, f"{parts[0].path}\n{what}")

    def _nothing(self, root: str) -> Exception:
        """The error where nothing can be written, from the innermost schema that is to blame."""
        name, visited, ending = root, {root}, self._rules.ending()
        while True:
            if name in self._reasons:
                path, _, what = self._reasons[name].partition("\n")
                return refusal(path, f"allows nothing: it {what}")
            used = self._uses.get(name, [])
            stuck = [one for one in used if one not in ending]
            following = next((one for one in stuck if one not in visited), None)
            if following is None:
                what = "has no end: every value holds another one" if stuck else "allows nothing"
                return refusal(self._document.path(self._nodes[name][0]), what)
            visited.add(following)
            name = following


_TEXT: Schema = {"type": "string"}


def _places(part: Keywords) -> tuple[list[Any], Any]:
    """The schemas of a list's first items, and of all behind them, None where nothing is said about these."""
    leaf = part.leaf
    items = leaf.get("items")
    prefix = items if isinstance(items, list) else leaf.get("prefixItems", [])
    if not isinstance(prefix, list):
        raise refusal(f"{part.path}/prefixItems", "is not a list")
    rest = leaf.get("additionalItems") if isinstance(items, list) else items
    return prefix, leaf.get("unevaluatedItems") if rest is None else rest
