"""Looking after a database: backups, copies, room given back, soundness, advice."""

from andamios_orm.maintenance.analysis import (
    Analysis,
    ColumnSkew,
    IndexAnalysis,
    MissingIndex,
    RowGroups,
    TableAnalysis,
)
from andamios_orm.maintenance.analyzing import analyze
from andamios_orm.maintenance.backups import Backup, backup
from andamios_orm.maintenance.compacting import Compacted, Occupancy, occupancy, vacuum
from andamios_orm.maintenance.copying import Copied, copy_to
from andamios_orm.maintenance.findings import Finding, Verification
from andamios_orm.maintenance.restoring import restore
from andamios_orm.maintenance.snapshots import snapshot
from andamios_orm.maintenance.verifying import verify

__all__ = [
    "Analysis",
    "Backup",
    "ColumnSkew",
    "Compacted",
    "Copied",
    "Finding",
    "IndexAnalysis",
    "MissingIndex",
    "Occupancy",
    "RowGroups",
    "TableAnalysis",
    "Verification",
    "analyze",
    "backup",
    "copy_to",
    "occupancy",
    "restore",
    "snapshot",
    "vacuum",
    "verify",
]
