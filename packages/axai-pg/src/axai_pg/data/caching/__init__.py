"""Answers that are kept for each organisation."""

from __future__ import annotations

from axai_pg.data.caching.manager import CacheManager
from axai_pg.data.caching.queries import cache_query
from axai_pg.data.caching.settings import CacheSettings, QueryKind

__all__ = ["CacheManager", "CacheSettings", "QueryKind", "cache_query"]
