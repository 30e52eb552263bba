"""New revisions: the file that is written, with the operations that are needed, or empty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alembic.autogenerate import render_python_code
from alembic.autogenerate.render import _repr_type
from alembic.operations.ops import DowngradeOps, UpgradeOps
from alembic.util import rev_id
from duckdb_sqlalchemy.datatypes import FixedArray
from sqlalchemy import Enum, TextClause, types

from andamios_orm.dialect import DuckDBDialect
from andamios_orm.exceptions import MigrationRefused, RevisionsPending
from andamios_orm.migration import running
from andamios_orm.migration.comparing import changes
from andamios_orm.migration.revisions import described
from andamios_orm.migration.written import escaped

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from sqlalchemy import Connection

    from andamios_orm.migration.revisions import Revision, Scripts
    from andamios_orm.migration.target import Target

__all__ = ["write", "write_differences"]


def write(scripts: Scripts, message: str, **parts: Any) -> Revision:
    """Return a new revision behind the newest one; ``parts`` go into the template.

    Raises:
        MigrationRefused: there are several newest ones.
    """
    heads = scripts.heads()
    if len(heads) > 1:
        listed = ", ".join(each.id for each in heads)
        raise MigrationRefused(f"there are several newest revisions ({listed}): merge them first")
    script = scripts.directory.generate_revision(rev_id(), message, head="head", **parts)
    assert script is not None  # noqa: S101 - Alembic has just written it
    return described(script)


def write_differences(
    target: Target, scripts: Scripts, message: str, connection: Connection
) -> Revision | None:
    """Return a new revision that brings the database to the models; None if it is there.

    Raises:
        RevisionsPending: the database is not at the newest revision.
        RevisionUnknown: it is at one that the folder does not have.
    """
    at = running.current(connection, target)
    heads = {each.id for each in scripts.heads()}
    if set(at) != heads:
        raise RevisionsPending(
            f"the database is at {', '.join(at) or 'no revision'}, the newest is "
            f"{', '.join(sorted(heads)) or 'none'}: upgrade it first",
            current=at,
            pending=[step.revision.revision for step in scripts.upgrade("heads", at)],
        )
    context, found = changes(target, connection)
    if not found.ops:
        return None
    used: list[AutogenContext] = []

    def render(kind: str, item: Any, autogenerating: AutogenContext) -> Any:
        used.append(autogenerating)
        if kind == "server_default":
            return _default(item)
        return _type(item, autogenerating) if kind == "type" else False

    parts: dict[str, UpgradeOps | DowngradeOps] = {
        "upgrades": found,
        "downgrades": found.reverse_into(DowngradeOps([])),
    }
    rendered = {
        name: _laid_out(render_python_code(each, render_item=render, migration_context=context))
        for name, each in parts.items()
    }
    imports = {line for each in used for line in each.imports}
    return write(scripts, message, **rendered, imports="\n".join(sorted(imports)))


def _laid_out(code: str) -> str:
    """Return what Alembic renders without its remarks, and with the parts of a table indented."""
    lines: list[str] = []
    inside = False
    for line in code.splitlines():
        inside = inside and line.strip() != ")"
        if not line.strip().startswith("# ###"):
            lines.append(f"    {line}" if inside else line)
        inside = inside or (line.strip().startswith("op.create_table(") and line.endswith(","))
    return "\n".join(lines).strip().replace("astext_type=Text()", "astext_type=sa.Text()")


def _default(default: Any) -> str | bool:
    """Return how a default is written that is SQL; False leaves it to Alembic."""
    sql = getattr(default, "arg", None)
    return f"sa.text({escaped(sql.text)!r})" if isinstance(sql, TextClause) else False


def _type(type_: Any, context: AutogenContext) -> str | bool:
    """Return how a type is written so that the revision needs no model and no application.

    False leaves it to Alembic.
    """
    if isinstance(type_, types.TypeDecorator) and not type(type_).__module__.startswith(
        "sqlalchemy."
    ):
        return _plain(type_, context)
    if isinstance(type_, Enum) and type_.native_enum and type_.name:
        context.imports.add("from sqlalchemy.dialects import postgresql")
        values = ", ".join(map(repr, type_.enums))
        return f"postgresql.ENUM({values}, name={type_.name!r}, create_type=False)"
    return False


def _plain(type_: types.TypeDecorator[Any], context: AutogenContext) -> str:
    """Return how the type is written that stands behind one of the application."""
    written: str = _repr_type(type_.impl_instance, context)
    own = type_.load_dialect_impl(DuckDBDialect())
    if not isinstance(own, FixedArray):
        return written
    context.imports.add("import duckdb_sqlalchemy.datatypes")
    item = _repr_type(own.item_type, context)
    fixed = f"duckdb_sqlalchemy.datatypes.FixedArray({item}, {own.size})"
    return f"{written}.with_variant({fixed}, 'duckdb')"
