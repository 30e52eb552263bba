"""Queries put together step by step, filters, aggregates, bulk operations."""

from __future__ import annotations

from project_architect_db.queries.builder import BulkOperations, QueryBuilder

__all__ = ["BulkOperations", "QueryBuilder"]
