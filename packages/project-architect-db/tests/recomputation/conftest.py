"""What the recomputation of analytics shares: its modules, importable by their names."""

import importlib.util
import sys
from pathlib import Path

_MODULES = (
    "steps",
    "rows",
    "numbers_of",
    "of_projects",
    "of_conversations",
    "of_repositories",
    "of_lives",
    "of_time",
    "made",
    "comparing",
    "asking",
)


def _share(name: str) -> None:
    """Make a module of this folder importable by the name that type checkers know it by."""
    full = f"tests.recomputation.{name}"
    spec = importlib.util.spec_from_file_location(full, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[full] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


for _name in _MODULES:
    _share(_name)
