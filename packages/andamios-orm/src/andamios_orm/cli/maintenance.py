"""The commands that look after a database."""

from __future__ import annotations

from typing import Final

from andamios_orm.cli.analyzing import analyze_command
from andamios_orm.cli.copying import copy_to_command
from andamios_orm.cli.upkeep import snapshot_command, vacuum_command, verify_command

__all__ = ["COMMANDS"]

COMMANDS: Final = {
    str(each.name): each
    for each in (
        analyze_command,
        verify_command,
        vacuum_command,
        snapshot_command,
        copy_to_command,
    )
}
