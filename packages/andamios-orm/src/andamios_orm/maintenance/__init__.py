"""Looking after a database: backups."""

from andamios_orm.maintenance.backups import Backup, backup

__all__ = ["Backup", "backup"]
