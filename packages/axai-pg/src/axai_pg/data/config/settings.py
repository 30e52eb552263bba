"""What the environment says: read once where a program starts, and passed down from there."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from andamios_orm.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Settings", "flag", "read_environment"]

_LINE: Final = re.compile(
    r"""(?:export[ ]+)?(?P<name>[A-Za-z_]\w*)[ ]*=[ ]*
    (?:"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>[^']*)'|(?P<plain>(?:[^\s#'"]\S*)?))
    [ ]*(?:(?<![^\s=])\#.*)?""",
    re.VERBOSE,
)
_FLAGS: Final = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off", ""), False),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment wants of a ``DatabaseInitializer``.

    ``auto_drop_db`` (``AXAI_AUTO_DROP_DB``) is whether it drops its database in the end,
    ``load_sample_data`` (``AXAI_LOAD_SAMPLE_DATA``) whether it loads the sample data.
    """

    auto_drop_db: bool = False
    load_sample_data: bool = False

    @classmethod
    def from_env(cls, env_file: str | Path | None = None) -> Settings:
        """Return what the environment says, and ``env_file`` where that says nothing.

        Raises:
            ConfigurationError: a value is neither true nor false; the file cannot be read.
        """
        found = read_environment(env_file)
        return cls(
            auto_drop_db=flag(found, "AXAI_AUTO_DROP_DB"),
            load_sample_data=flag(found, "AXAI_LOAD_SAMPLE_DATA"),
        )


def flag(variables: Mapping[str, str], name: str) -> bool:
    """Return whether a variable is set to true; one that is not there is false.

    >>> flag({"A": "yes"}, "A"), flag({}, "A")
    (True, False)

    Raises:
        ConfigurationError: it is neither true nor false.
    """
    value = variables.get(name, "")
    found = _FLAGS.get(value.lower())
    if found is None:
        raise ConfigurationError(f"{name}={value} is neither true nor false")
    return found


def read_environment(env_file: str | Path | None = None) -> dict[str, str]:
    """Return the variables of the environment, which override those in ``env_file``.

    Raises:
        ConfigurationError: the file is not there, or a line of it is no ``NAME=value``.
    """
    return {**(_read_file(Path(env_file)) if env_file is not None else {}), **os.environ}


def _read_file(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
    found = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _LINE.fullmatch(text)
        if match is None:  # the line is not shown: it may hold a password
            raise ConfigurationError(f"line {number} of {path} is no NAME=value")
        double = match["double"]
        if double is not None:
            found[match["name"]] = re.sub(r"\\(.)", r"\1", double)
        else:
            found[match["name"]] = match["single"] or match["plain"] or ""
    return found
