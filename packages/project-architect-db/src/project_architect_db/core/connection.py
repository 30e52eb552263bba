"""Connections of the driver, by the names that andamios_orm gives them."""

from __future__ import annotations

from andamios_orm.core.connection import driver_connection, fetch_arrow

__all__ = ["driver_connection", "fetch_arrow"]
