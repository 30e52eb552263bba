"""Filters, by the names that andamios_orm gives them."""

from __future__ import annotations

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

__all__ = [
    "AllOf",
    "AnyOf",
    "Compare",
    "Filter",
    "JSONCompare",
    "Not",
    "Period",
    "Related",
    "Search",
    "from_keywords",
    "related",
    "search",
]
