"""Which tokens are in memory, and which sequences hold them: a radix tree over token sequences.

Every path from the root is a prefix that has been computed; a node's tokens are held by all sequences that run through
it, as one copy. Two sequences that begin alike share the nodes of what they have in common. Nothing here knows
llama.cpp: it answers what can be shared, and what would become free.

    tree = PrefixTree()
    tree.extend(0, [1, 2, 3])             # sequence 0 has computed three tokens
    tree.longest([1, 2, 9])               # Match(length=2, holder=0)
    tree.share(0, 1, 2)                   # sequence 1 begins with the same two
    tree.extend(1, [9])
    tree.tokens                           # 4, not 6
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class Match(NamedTuple):
    """The longest known prefix: its length, and a sequence that holds all of it (None where the length is 0)."""

    length: int
    holder: int | None


@dataclass(slots=True, eq=False)
class _Node:
    tokens: list[int]
    parent: _Node | None
    holders: set[int] = field(default_factory=set)
    children: dict[int, list[_Node]] = field(default_factory=dict)


class PrefixTree:
    """A radix tree whose nodes know their holders."""

    def __init__(self) -> None:
        self._root = _Node([], None)
        self._tails: dict[int, _Node] = {}
        self._lengths: dict[int, int] = {}
        self.tokens = 0

    def __contains__(self, sequence: int) -> bool:
        return sequence in self._tails

    def length(self, sequence: int) -> int:
        """How many tokens a sequence holds."""
        return self._lengths.get(sequence, 0)

    def path(self, sequence: int) -> list[int]:
        """All tokens that a sequence holds."""
        return [token for node in self._nodes(sequence) for token in node.tokens]

    def longest(self, tokens: Sequence[int], *, among: Collection[int] | None = None) -> Match:
        """The longest prefix of `tokens` that some sequence holds. - among: only these sequences."""
        best = Match(0, None)
        searches: list[tuple[_Node, int]] = [(self._root, 0)]
        while searches:
            node, position = searches.pop()
            if position == len(tokens):
                continue
            # Computed twice, side by side, the same tokens may stand in several nodes; each may lead further.
            for child in node.children.get(tokens[position], ()):
                holder = next((one for one in child.holders if among is None or one in among), None)
                if holder is None:
                    continue
                common = shared_prefix(child.tokens, tokens, position)
                if position + common > best.length:
                    best = Match(position + common, holder)
                if common == len(child.tokens):
                    searches.append((child, position + common))
        return best

    def complete(self, tokens: Sequence[int]) -> list[Match]:
        """The sequences of which `tokens` contains all, from its beginning; the longest first."""
        found: list[Match] = []
        searches: list[tuple[_Node, int]] = [(self._root, 0)]
        while searches:
            node, position = searches.pop()
            found += [Match(position, holder) for holder in node.holders if self._tails[holder] is node]
            if position == len(tokens):
                continue
            searches += [
                (child, position + len(child.tokens))
                for child in node.children.get(tokens[position], ())
                if shared_prefix(child.tokens, tokens, position) == len(child.tokens)
            ]
        return sorted(found, key=lambda match: -match.length)

    def extend(self, sequence: int, tokens: Sequence[int]) -> None:
        """A sequence, perhaps a new one, has computed more tokens of its own."""
        tail = self._tails.setdefault(sequence, self._root)
        self._lengths[sequence] = self.length(sequence) + len(tokens)
        if not tokens:
            return
        self.tokens += len(tokens)
        if tail is not self._root and tail.holders == {sequence} and not tail.children:
            tail.tokens.extend(tokens)
            return
        child = _Node(list(tokens), tail, {sequence})
        tail.children.setdefault(tokens[0], []).append(child)
        self._tails[sequence] = child

    def share(self, source: int, target: int, length: int) -> None:
        """A new sequence `target` begins with the first `length` tokens of `source`, without a copy."""
        if target in self._tails:
            raise ValueError(f"sequence {target} is in use")
        tail = self._cut(source, length)
        self._tails[target] = tail
        self._lengths[target] = length
        for node in _upwards(tail):
            node.holders.add(target)

    def truncate(self, sequence: int, length: int) -> None:
        """A sequence forgets all but its first `length` tokens; what nobody else holds is gone."""
        tail = self._cut(sequence, length)
        node = self._tails[sequence]
        while node is not tail:
            parent = node.parent
            assert parent is not None  # the tail is an ancestor
            node.holders.discard(sequence)
            if not node.holders:
                self.tokens -= len(node.tokens)
                _unlink(node)
            node = parent
        self._tails[sequence] = tail
        self._lengths[sequence] = length

    def remove(self, sequence: int) -> None:
        """A sequence is gone."""
        self.truncate(sequence, 0)
        del self._tails[sequence], self._lengths[sequence]

    def held(self, sequences: Collection[int]) -> int:
        """How many tokens these sequences hold together, shared ones counted once."""
        found = {id(node): len(node.tokens) for sequence in sequences for node in _upwards(self._tails[sequence])}
        return sum(found.values())

    def in_common(self, sequence: int, others: Collection[int]) -> int:
        """How many first tokens of a sequence at least one of the others holds too, as the same copy."""
        path = _upwards(self._tails[sequence])
        return sum(len(node.tokens) for node in path if not node.holders.isdisjoint(others))

    def _nodes(self, sequence: int) -> Iterator[_Node]:
        return reversed(list(_upwards(self._tails[sequence])))

    def _cut(self, sequence: int, length: int) -> _Node:
        """The node on this sequence's path that ends at `length`, split off where it is in the middle of one."""
        if not 0 <= length <= self.length(sequence):
            raise ValueError(f"sequence {sequence} has {self.length(sequence)} tokens, not {length}")
        node, end = self._tails[sequence], self.length(sequence)
        while end - len(node.tokens) >= length and node.parent is not None:
            end -= len(node.tokens)
            node = node.parent
        return node if end == length else self._split(node, length - (end - len(node.tokens)))

    def _split(self, node: _Node, at: int) -> _Node:
        """Cut a node in two; the upper half is new, so that whoever's tail the node is keeps all of it."""
        parent = node.parent
        assert parent is not None  # the root has no tokens to split
        upper = _Node(node.tokens[:at], parent, set(node.holders), {node.tokens[at]: [node]})
        siblings = parent.children[node.tokens[0]]
        siblings[siblings.index(node)] = upper
        node.tokens = node.tokens[at:]
        node.parent = upper
        return upper


def shared_prefix(left: Sequence[int], right: Sequence[int], start: int = 0) -> int:
    """How many tokens `left` and `right[start:]` begin with in common."""
    length = min(len(left), len(right) - start)
    if left[:length] == right[start : start + length]:  # the usual case, compared in C
        return length
    low, high = 0, length
    while low + 1 < high:
        middle = (low + high) // 2
        if left[low:middle] == right[start + low : start + middle]:
            low = middle
        else:
            high = middle
    return low if left[low] != right[start + low] else low + 1


def _upwards(node: _Node) -> Iterator[_Node]:
    """From a node to the root, without the root."""
    while node.parent is not None:
        yield node
        node = node.parent


def _unlink(node: _Node) -> None:
    parent = node.parent
    assert parent is not None  # the root is nobody's
    siblings = parent.children[node.tokens[0]]
    siblings.remove(node)
    if not siblings:
        del parent.children[node.tokens[0]]
