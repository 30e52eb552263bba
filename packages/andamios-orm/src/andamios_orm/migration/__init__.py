"""Schema changes as revisions, on DuckDB and PostgreSQL, with Alembic underneath."""

from andamios_orm.migration.batches import Batches
from andamios_orm.migration.comparing import Difference
from andamios_orm.migration.manager import MigrationManager
from andamios_orm.migration.revisions import Revision
from andamios_orm.migration.running import Step

__all__ = ["Batches", "Difference", "MigrationManager", "Revision", "Step"]
