"""What each package exports is what its ``__init__`` files import, in order."""

import ast
import importlib
import importlib.metadata
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parent.parent
PACKAGES = ("andamios_orm", "axai_pg", "project_architect_db")
INITS = sorted(ROOT.glob("packages/*/src/**/__init__.py"))


def import_name(init: Path) -> str:
    """Return the dotted name under which ``init`` is imported."""
    parts = init.parent.parts
    return ".".join(parts[parts.index("src", len(ROOT.parts)) + 1 :])


def defined_names(source: str) -> set[str]:
    """Return the public names that the top level of ``source`` binds."""
    names: set[str] = set()
    for node in ast.parse(source).body:
        match node:
            case ast.ImportFrom(module="__future__"):
                continue
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                names.update(alias.asname or alias.name.partition(".")[0] for alias in aliases)
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
            ):
                names.add(name)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
    return {name for name in names if not name.startswith("_") or name == "__version__"}


@pytest.mark.parametrize("init", INITS, ids=import_name)
def test_all_is_sorted_and_names_every_import(init: Path) -> None:
    source = init.read_text(encoding="utf-8")

    exported = list(getattr(importlib.import_module(import_name(init)), "__all__", []))

    assert exported == sorted(exported)
    assert set(exported) == defined_names(source)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_its_version_and_that_it_is_typed(package: str) -> None:
    module = importlib.import_module(package)

    assert module.__version__ == importlib.metadata.version(package.replace("_", "-"))
    assert module.__file__ is not None
    assert Path(module.__file__).with_name("py.typed").exists()


def test_a_missing_name_would_be_noticed() -> None:
    source = "from a import B, c as d\nimport e.f\n_g = 1\n__version__ = '1'\n__all__ = ['B']\n"

    assert defined_names(source) == {"B", "d", "e", "__version__"}
