"""Looking after a database: looking it over, backups, and putting them back."""

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
from andamios_orm.maintenance.restoring import restore

__all__ = [
    "Analysis",
    "Backup",
    "ColumnSkew",
    "IndexAnalysis",
    "MissingIndex",
    "RowGroups",
    "TableAnalysis",
    "analyze",
    "backup",
    "restore",
]
