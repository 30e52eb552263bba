"""Looking after a database: backups, snapshots, room given back, soundness."""

from andamios_orm.maintenance.backups import Backup, backup
from andamios_orm.maintenance.compacting import Compacted, Occupancy, occupancy, vacuum
from andamios_orm.maintenance.findings import Finding, Verification
from andamios_orm.maintenance.restoring import restore
from andamios_orm.maintenance.snapshots import snapshot
from andamios_orm.maintenance.verifying import verify

__all__ = [
    "Backup",
    "Compacted",
    "Finding",
    "Occupancy",
    "Verification",
    "backup",
    "occupancy",
    "restore",
    "snapshot",
    "vacuum",
    "verify",
]
