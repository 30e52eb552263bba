"""Looking after a database: backups, and putting them back; room given back."""

from andamios_orm.maintenance.backups import Backup, backup
from andamios_orm.maintenance.compacting import Compacted, Occupancy, occupancy, vacuum
from andamios_orm.maintenance.restoring import restore

__all__ = ["Backup", "Compacted", "Occupancy", "backup", "occupancy", "restore", "vacuum"]
