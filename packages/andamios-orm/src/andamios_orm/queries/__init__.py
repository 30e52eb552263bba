"""Queries: filters, order, pages, aggregates, and the builder that puts them together."""

from __future__ import annotations

from andamios_orm.queries.builder import QueryBuilder
from andamios_orm.queries.filters import (
    AllOf,
    AnyOf,
    Compare,
    Filter,
    JSONCompare,
    Not,
    Period,
    Related,
    Search,
    from_keywords,
    related,
    search,
)
from andamios_orm.queries.grammar import ParsedQuery, QueryGrammar
from andamios_orm.queries.json import JSONPath, json_path
from andamios_orm.queries.ordering import Order
from andamios_orm.queries.pagination import CursorPage, Page
from andamios_orm.queries.visible import visible

__all__ = [
    "AllOf",
    "AnyOf",
    "Compare",
    "CursorPage",
    "Filter",
    "JSONCompare",
    "JSONPath",
    "Not",
    "Order",
    "Page",
    "ParsedQuery",
    "Period",
    "QueryBuilder",
    "QueryGrammar",
    "Related",
    "Search",
    "from_keywords",
    "json_path",
    "related",
    "search",
    "visible",
]
