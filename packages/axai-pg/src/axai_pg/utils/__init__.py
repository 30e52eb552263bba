"""What sets up a cluster and its databases."""

from __future__ import annotations

from axai_pg.utils.db_initializer import DatabaseInitializer, DatabaseInitializerConfig

__all__ = ["DatabaseInitializer", "DatabaseInitializerConfig"]
