"""Looking after a database: backups, putting them back, copies into another one."""

from andamios_orm.maintenance.backups import Backup, backup
from andamios_orm.maintenance.copying import Copied, copy_to
from andamios_orm.maintenance.restoring import restore

__all__ = ["Backup", "Copied", "backup", "copy_to", "restore"]
