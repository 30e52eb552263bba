"""The bridge from SQLAlchemy's greenlets to the loop, under one name on 2.0 and 2.1."""

from __future__ import annotations

from sqlalchemy.util import concurrency

__all__ = ["await_", "in_greenlet"]

await_ = getattr(concurrency, "await_", None) or concurrency.await_only
in_greenlet = concurrency.in_greenlet
