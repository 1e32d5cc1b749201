"""Portions of a list that is too long for one answer: rows before or after a row that the asker has seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from sqlite_utils import Database


class Portion(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows are wanted, by id.

    - after, before: ids between which the portion lies, in the order that is asked for; they need not exist any more.
    Only `before` gives the rows that come last before it. - newest_first: larger ids before smaller ones.
    """

    after: int | None = None
    before: int | None = None
    limit: int = 20
    newest_first: bool = True


def read_portion(
    db: Database, question: str, values: dict[str, Any], portion: Portion, column: str = "id"
) -> tuple[list[dict[str, Any]], bool]:
    """The rows of the portion, and whether there are more behind it, or before it where only `before` is given.

    - question: ends in a condition. - column: what `Portion` calls the id.
    """
    backwards = portion.before is not None and portion.after is None
    beyond, within = ("<", ">") if portion.newest_first else (">", "<")
    if portion.after is not None:
        question += f" AND {column} {beyond} :portion_after"
        values = {**values, "portion_after": portion.after}
    if portion.before is not None:
        question += f" AND {column} {within} :portion_before"
        values = {**values, "portion_before": portion.before}
    order = "DESC" if portion.newest_first != backwards else "ASC"
    question += f" ORDER BY {column} {order} LIMIT :portion_limit"
    rows = list(db.query(question, {**values, "portion_limit": portion.limit + 1}))
    more, rows = len(rows) > portion.limit, rows[: portion.limit]
    return (rows[::-1] if backwards else rows), more
