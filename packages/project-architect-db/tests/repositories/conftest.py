"""What the tests of repositories share: a portfolio, and its figures in plain Python."""

import importlib.util
import sys
from pathlib import Path


def _share(name: str) -> None:
    """Make a module of this folder importable by the name that type checkers know it by."""
    full = f"tests.repositories.{name}"
    spec = importlib.util.spec_from_file_location(full, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[full] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


for each in ("portfolio", "plain", "plain_work"):
    _share(each)
