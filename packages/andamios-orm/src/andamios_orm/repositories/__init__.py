"""Repositories: the rows of a model, one method a question."""

from __future__ import annotations

from andamios_orm.repositories.base import BaseRepository
from andamios_orm.repositories.events import (
    CallNext,
    Event,
    EventName,
    Hook,
    Middleware,
    Operation,
    operation,
)
from andamios_orm.repositories.generic import GenericRepository
from andamios_orm.repositories.specialized import AnalyticsRepository, Point, ReadOnlyRepository

__all__ = [
    "AnalyticsRepository",
    "BaseRepository",
    "CallNext",
    "Event",
    "EventName",
    "GenericRepository",
    "Hook",
    "Middleware",
    "Operation",
    "Point",
    "ReadOnlyRepository",
    "operation",
]
