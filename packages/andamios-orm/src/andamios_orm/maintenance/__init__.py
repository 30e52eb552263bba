"""Looking after a database: backups, and putting them back."""

from andamios_orm.maintenance.backups import Backup, backup
from andamios_orm.maintenance.restoring import restore

__all__ = ["Backup", "backup", "restore"]
