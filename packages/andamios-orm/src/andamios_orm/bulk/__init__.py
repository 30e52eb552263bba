"""Many rows at the speed of columns: create, update, upsert, delete, load."""

from __future__ import annotations

from andamios_orm.bulk.create import bulk_create
from andamios_orm.bulk.created import Created
from andamios_orm.bulk.delete import bulk_delete
from andamios_orm.bulk.loading import LoadReport, load
from andamios_orm.bulk.positions import load_table
from andamios_orm.bulk.update import bulk_update
from andamios_orm.bulk.upsert import Upserted, bulk_upsert
from andamios_orm.exceptions import RowRefusal

__all__ = [
    "Created",
    "LoadReport",
    "RowRefusal",
    "Upserted",
    "bulk_create",
    "bulk_delete",
    "bulk_update",
    "bulk_upsert",
    "load",
    "load_table",
]
