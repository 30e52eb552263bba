"""The reference of a module, from its ``__all__``: a new public name appears by itself.

In a page it is one block, which also reads well as text::

    ```{public-names} andamios_orm.queries
    ```
"""

import importlib
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Generic, get_origin

from docutils import nodes
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import Session

if TYPE_CHECKING:
    from sphinx.application import Sphinx

OURS = ("andamios_orm", "axai_pg", "project_architect_db")
MODULES = (
    "andamios_orm",
    "andamios_orm.core",
    "andamios_orm.models",
    "andamios_orm.repositories",
    "andamios_orm.queries",
    "andamios_orm.bulk",
    "andamios_orm.migration",
    "andamios_orm.maintenance",
    "andamios_orm.testing",
    "andamios_orm.testing.database",
    "andamios_orm.testing.factories",
    "andamios_orm.testing.migrations",
    "andamios_orm.testing.budgets",
    "andamios_orm.testing.clock",
    "andamios_orm.testing.faults",
    "andamios_orm.testing.parallel",
    "andamios_orm.web",
    "andamios_orm.dialect",
    "andamios_orm.exceptions",
    "andamios_orm.cli.commands",
    "project_architect_db.core",
    "project_architect_db.models",
    "project_architect_db.schemas",
    "project_architect_db.repositories",
    "project_architect_db.queries",
    "project_architect_db.importers",
    "project_architect_db.migration",
    "project_architect_db.testing.database",
    "project_architect_db.testing.factories",
    "project_architect_db.testing.fixtures",
    "project_architect_db.exceptions",
    "axai_pg",
    "axai_pg.data.models",
    "axai_pg.data.config",
    "axai_pg.data.isolation",
    "axai_pg.data.repositories",
    "axai_pg.data.security",
    "axai_pg.data.caching",
    "axai_pg.data.metrics",
    "axai_pg.data.privacy",
    "axai_pg.isolation",
    "axai_pg.migrations",
    "axai_pg.utils",
    "axai_pg.utils.roles",
    "axai_pg.utils.server",
    "axai_pg.testing.fixtures",
    "axai_pg.testing.servers",
    "axai_pg.exceptions",
)


def names_of(module: ModuleType) -> list[str]:
    """Return the public names of ``module`` that are documented."""
    return [name for name in getattr(module, "__all__", []) if not name.startswith("__")]


@cache
def homes() -> dict[int, str]:
    """Return for each public object (by id) the deepest module that exports it."""
    found: dict[int, str] = {}
    for name in MODULES:
        module = importlib.import_module(name)
        for each in names_of(module):
            public = getattr(module, each)
            home = found.get(id(public))
            inside = getattr(public, "__module__", "").startswith(f"{name}.")
            if home is None or inside or getattr(public, "__module__", "") == name:
                found[id(public)] = name
    return found


def docstring(module: ModuleType, name: str) -> str:
    """Return what is written about a public name, in the object or below its assignment."""
    public = getattr(module, name)
    source = ""
    if not (inspect.isclass(public) or inspect.isroutine(public)):
        written = ModuleAnalyzer.for_module(defining(module, name)).find_attr_docs()
        source = "\n".join(written.get(("", name), []))
    return source or inspect.getdoc(public) or ""


def defining(module: ModuleType, name: str) -> str:
    """Return the module whose ``__all__`` holds ``name``, and that assigns it."""
    parts = f"{module.__name__}."
    inside = [found for found in sorted(sys.modules) if found.startswith(parts)]
    for found in inside:
        if name in getattr(sys.modules[found], "__all__", ()):
            return found
    return module.__name__


def summary(module: ModuleType, name: str) -> str:
    """Return the first sentence of a docstring, as one line."""
    return " ".join(docstring(module, name).partition("\n\n")[0].split())


class PublicNames(SphinxDirective):
    """Documents each name that the ``__all__`` of a module holds."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the nodes of the whole reference of one module."""
        module = importlib.import_module(self.arguments[0])
        lines = ["````{eval-rst}", *reference(module), "````"]
        return self.parse_text_to_nodes("\n".join(lines))


def reference(module: ModuleType) -> Iterator[str]:
    """Yield the lines, in reStructuredText, that document ``module``."""
    yield f".. automodule:: {module.__name__}"
    yield "   :no-members:"
    yield ""
    yield from table(module)
    for name in names_of(module):
        yield from entry(module, name)


def table(module: ModuleType) -> Iterator[str]:
    """Yield a list of the names with the first sentence of each."""
    names = names_of(module)
    if not names:
        return
    yield ".. list-table::"
    yield "   :class: public-names"
    yield ""
    for name in names:
        yield f"   * - :py:obj:`~{module.__name__}.{name}`"
        yield f"     - {summary(module, name)}"
    yield ""


def entry(module: ModuleType, name: str) -> Iterator[str]:
    """Yield the lines that document one name."""
    public = getattr(module, name)
    path = f"{module.__name__}.{name}"
    home = homes()[id(public)]
    if home != module.__name__:
        kind = "class" if inspect.isclass(public) else "function"
        yield f".. py:{kind}:: {name}"
        yield ""
        yield f"   {summary(module, name)} Documented as :py:obj:`{home}.{name}`."
    elif inspect.isclass(public):
        yield f".. autoclass:: {path}"
        if any(is_shown(base) for base in public.__bases__):
            yield "   :show-inheritance:"
        if not issubclass(public, Dialect | Session):  # what one has is SQLAlchemy's interface
            yield "   :members:"
            if parts_of(public):
                yield f"   :inherited-members: {', '.join(foreign_bases(public))}"
    elif inspect.isroutine(public):
        yield f".. autofunction:: {path}"
    else:
        yield f".. autodata:: {path}"
        yield "   :no-value:"
    yield ""


def is_private(base: type) -> bool:
    """Return whether a class is ours, and documented only as a part of those made of it."""
    return base.__module__.startswith(OURS) and id(base) not in homes()


def parts_of(public: type) -> set[type]:
    """Return the private bases of a class, but for those that a public base has as well."""
    bases = public.__mro__[1:]
    elsewhere = {each for base in bases if not is_private(base) for each in base.__mro__}
    return set(bases) - elsewhere


def foreign_bases(public: type) -> list[str]:
    """Return the bases whose members are documented elsewhere: others' and public ones."""
    return sorted({base.__name__ for base in set(public.__mro__[1:]) - parts_of(public)})


def is_shown(base: object) -> bool:
    """Return whether a base tells a reader something."""
    origin = get_origin(base) or base
    return isinstance(origin, type) and origin not in {object, Generic} and not is_private(origin)


def show_bases(
    _app: "Sphinx", _name: str, _class: object, _options: object, bases: list[object]
) -> None:
    """Leave out the bases that are only parts."""
    bases[:] = [base for base in bases if is_shown(base)]


def skip_foreign(
    _app: "Sphinx", _what: str, _name: str, member: object, _skip: object, _options: object
) -> bool | None:
    """Leave out what a class has from another library; None leaves it to Sphinx."""
    module = getattr(member, "__module__", None)
    return True if isinstance(module, str) and module.startswith("sqlalchemy") else None


def keep_sentence(
    _app: "Sphinx", what: str, _name: str, _member: object, _options: object, lines: list[str]
) -> None:
    """Keep a first sentence with a colon whole, where one would read it as "type: text"."""
    if what in {"attribute", "data", "property"}:
        lines.insert(0, "")


def setup(app: "Sphinx") -> None:
    """Make the block ``public-names`` known."""
    app.connect("autodoc-process-docstring", keep_sentence, priority=100)
    app.connect("autodoc-skip-member", skip_foreign)
    app.connect("autodoc-process-bases", show_bases)
    app.add_directive("public-names", PublicNames)
