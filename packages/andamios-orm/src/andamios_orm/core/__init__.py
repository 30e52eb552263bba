"""Engines, sessions, transactions, and what can be seen of them."""

from __future__ import annotations

from andamios_orm.core.cache import CacheStatistics, ResultCache
from andamios_orm.core.changes import Change, ChangeFeed
from andamios_orm.core.connection import driver_connection, fetch_arrow
from andamios_orm.core.engine import Database, GateHealth, Health, PoolHealth, create_engine
from andamios_orm.core.folds import Ask, Fold, Follow
from andamios_orm.core.followers import Batch, Follower, FollowerState
from andamios_orm.core.integrity import Orphan, check_integrity
from andamios_orm.core.observe import Observer, SlowStatement, StatementRecord, observe
from andamios_orm.core.postgresql import guard
from andamios_orm.core.recording import record_batch
from andamios_orm.core.session import Session, SessionManager
from andamios_orm.core.settings import Settings
from andamios_orm.core.telemetry import trace_statements
from andamios_orm.core.transaction import Attempt, Transaction
from andamios_orm.core.versions import RowVersion

__all__ = [
    "Ask",
    "Attempt",
    "Batch",
    "CacheStatistics",
    "Change",
    "ChangeFeed",
    "Database",
    "Fold",
    "Follow",
    "Follower",
    "FollowerState",
    "GateHealth",
    "Health",
    "Observer",
    "Orphan",
    "PoolHealth",
    "ResultCache",
    "RowVersion",
    "Session",
    "SessionManager",
    "Settings",
    "SlowStatement",
    "StatementRecord",
    "Transaction",
    "check_integrity",
    "create_engine",
    "driver_connection",
    "fetch_arrow",
    "guard",
    "observe",
    "record_batch",
    "trace_statements",
]
