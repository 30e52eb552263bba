"""Looking after a database: looking it over, backups, copies into another one."""

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
from andamios_orm.maintenance.copying import Copied, copy_to
from andamios_orm.maintenance.restoring import restore

__all__ = [
    "Analysis",
    "Backup",
    "ColumnSkew",
    "Copied",
    "IndexAnalysis",
    "MissingIndex",
    "RowGroups",
    "TableAnalysis",
    "analyze",
    "backup",
    "copy_to",
    "restore",
]
