"""Nothing that a caller passes becomes a part of a statement's text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func
from sqlalchemy.dialects.postgresql import psycopg
from tests.queries.shop import Item

from andamios_orm.dialect import DuckDBDialect
from andamios_orm.exceptions import QueryRefused, ValueRefused
from andamios_orm.queries import Order, QueryBuilder, QueryGrammar, json_path, related, search
from andamios_orm.queries.aggregations import bucket, count, lag, percentile, row_number, sum_

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.unit, pytest.mark.db]

DIALECTS = [DuckDBDialect(), psycopg.dialect()]  # type: ignore[no-untyped-call]  # SQLAlchemy's
CORPUS = [
    "MARK'); DROP TABLE items; --",
    'MARK" OR 1=1 --',
    "MARK' OR '1'='1",
    "$.MARK",
    '$."MARK\'; --"',
    ":MARK",
    "%(MARK)s",
    "{MARK}",
    "{0}{MARK!r}",
    "$1MARK",
    "?MARK",
    "MARK\\",
    "MARK%_/\\",
    "MARK\0",
    "MARK\n; SELECT 1",
    "/*MARK*/",
    "MARK__eq",
    "id__MARK'",
    "-MARK;",
    "MARK\ud800",
    "id) MARK",
]
Q = QueryBuilder(Item)
GRAMMAR = QueryGrammar(Item, fields=["name", "amount"], sort=["name"])
DOORS: dict[str, Callable[[Any], QueryBuilder[Any]]] = {
    "keyword": lambda t: Q.filter(**{t: 1}),
    "operator": lambda t: Q.filter(**{f"name__{t}": 1}),
    "value": lambda t: Q.filter(name=t),
    "number": lambda t: Q.filter(amount=t),
    "values": lambda t: Q.filter(name__in=[t, t + "x"]),
    "like": lambda t: Q.filter(name__like=t, note__ilike=t),
    "affixes": lambda t: Q.filter(name__startswith=t, name__iendswith=t, name__icontains=t),
    "enum": lambda t: Q.filter(size=t),
    "list": lambda t: Q.filter(tags__has=t),
    "exclude": lambda t: Q.exclude(name=t),
    "condition": Q.filter,
    "date": lambda t: Q.filter_by_date_range("made_at", t, t),
    "date column": Q.filter_by_date_range,
    "json path": lambda t: Q.filter_json("extra", t, "x"),
    "json steps": lambda t: Q.filter_json("more", (t, 0, t), t),
    "json column": lambda t: Q.filter_json(t, "a", "x"),
    "json operator": lambda t: Q.filter_json("extra", "a", **{t: 1}),
    "json value": lambda t: Q.filter_json("extra", "a", has=t),
    "json typed": lambda t: Q.filter(json_path(Item.more, t).as_(str) == t),
    "search": Q.search,
    "search column": lambda t: Q.search("x", [t]),
    "related": lambda t: Q.filter(related(Item.parts, name=t)),
    "relation": lambda t: Q.filter(related(t)),
    "filter": lambda t: Q.filter(~search(t, "name") | search(t, "note")),
    "order": Q.order_by,
    "order object": lambda t: Q.order_by(Order(t)),
    "limit": Q.limit,
    "after": lambda t: _built(Q.after(t)),
    "before": lambda t: _built(Q.before(t)),
    "load": Q.load,
    "group": Q.group_by,
    "bucket": lambda t: Q.group_by(bucket("made_at", t)),
    "aggregate": lambda t: Q.aggregate(sum_(t)),
    "label": lambda t: Q.aggregate(**{t: count()}),
    "percentile": lambda t: Q.aggregate(percentile("amount", t)),
    "json function": lambda t: Q.aggregate(func.avg(func.json_extract("extra", t))),
    "having": lambda t: Q.aggregate(n=count()).having(**{t: 1}),
    "window": lambda t: Q.window(n=row_number(partition_by=t, order_by=t)),
    "window label": lambda t: Q.window(**{t: row_number()}),
    "window default": lambda t: Q.window(n=lag("name", default=t, order_by="id")),
    "rows order": lambda t: _built(Q.group_by("name").order_by(t)),
    "grammar name": lambda t: GRAMMAR.parse({t: "1"}).apply(Q),
    "grammar value": lambda t: GRAMMAR.parse({"name": [t, t], "amount": t}).apply(Q),
    "grammar text": lambda t: GRAMMAR.parse({"name__contains": t}).apply(Q),
    "grammar sort": lambda t: GRAMMAR.parse({"sort": t}).apply(Q),
    "grammar limit": lambda t: GRAMMAR.parse({"limit": t}).apply(Q),
}


def _built(query: QueryBuilder[Any]) -> QueryBuilder[Any]:
    query.statement()
    return query


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("text", CORPUS, ids=ascii)
@pytest.mark.sampled(5)
def test_text_of_a_caller_never_becomes_text_of_a_statement(door: str, text: str) -> None:
    try:
        query = DOORS[door](text)
    except (QueryRefused, ValueRefused):
        return
    if door.endswith("label") and text.isidentifier():
        return  # a plain name is the name of the column

    for dialect in DIALECTS:
        compiled = str(query.statement().compile(dialect=dialect))
        assert "MARK" not in compiled
        assert "DROP" not in compiled


@pytest.mark.parametrize("text", ["x' OR 1=1", "1=1", "name = 'x'"])
def test_text_is_no_condition(text: Any) -> None:
    with pytest.raises(QueryRefused, match="text is never taken for SQL"):
        Q.filter(text)
