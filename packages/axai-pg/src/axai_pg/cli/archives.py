"""The commands that take an organisation elsewhere."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import rich_click as click
from sqlalchemy import select

from andamios_orm.cli.running import command
from andamios_orm.core.lines import one_line
from andamios_orm.exceptions import NotFound
from andamios_orm.maintenance.advice import readable
from axai_pg.archives import export_organization, import_organization, verify_archive
from axai_pg.cli.place import on_manager, place_of, telling
from axai_pg.data.models import Organization

if TYPE_CHECKING:
    from andamios_orm.cli.running import Context
    from axai_pg.archives import Manifest
    from axai_pg.cli.place import Progress
    from axai_pg.data.config import DatabaseManager

__all__ = ["COMMANDS", "organization_id"]

_MOST: Final = 9


def organization_id(manager: DatabaseManager, named: str, *, reason: str) -> uuid.UUID:
    """Return the key of an organisation that is named by it, or else by its name.

    Raises:
        NotFound: there is none of this name.
        UsageError: several have it.
    """
    try:
        return uuid.UUID(named)
    except ValueError:
        pass
    statement = select(Organization.id).where(Organization.name == named).limit(_MOST)
    with manager.system_scope(reason) as session:
        found = session.scalars(statement).all()
    if not found:
        raise NotFound(Organization.__name__, named)
    if len(found) > 1:
        listed = ", ".join(map(str, found))
        raise click.UsageError(f"several organisations are called {named}: name one of {listed}")
    return found[0]


def _show(context: Context, manifest: Manifest, path: Path) -> None:
    """Print what is in an archive."""
    tables = [
        {"table": part.table, "rows": part.rows, "bytes": part.bytes, "sha256": part.sha256}
        for part in manifest.parts
    ]
    row: dict[str, Any] = {"id": str(manifest.org_id), "name": manifest.name, "path": str(path)}
    if manifest.administrators is not None:
        row["administrators"] = manifest.administrators
    size = readable(sum(part.bytes for part in manifest.parts))
    listed = [f"{part.rows:>9,} {part.table}" for part in manifest.parts if part.rows]
    last = f"{manifest.rows:>9,} rows of {one_line(manifest.name)} ({manifest.org_id}), {size}"
    context.show("organizations", [{**row, "tables": tables}], [*listed, last])


@command(examples=["export-org Acme acme.zip", "export-org Acme acme-folder --json"])
@click.argument("organization")
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--with-secrets", is_flag=True, help="With the hashes of passwords.")
async def export_org_command(
    context: Context, organization: str, target: Path, *, with_secrets: bool
) -> None:
    """Write all that an organisation has to TARGET: a folder, FILE.zip or FILE.tar.gz.

    ORGANIZATION is its key or its name. The archive is of one moment, and has its name when it
    is complete. The audit log stays in the database, and has that it was begun and exported.
    """
    reason = f"{context.program.name} export-org"
    with context.progress("rows") as progress:

        def work(manager: DatabaseManager, tell: Progress) -> Manifest:
            key = organization_id(manager, organization, reason=reason)
            return export_organization(
                manager, key, target, with_secrets=with_secrets, progress=tell
            )

        manifest = await on_manager(place_of(context), work, progress)
    _show(context, manifest, target)
    if not with_secrets:
        context.say("hashes of passwords are left out; --with-secrets writes them")


def _not_nil(
    _context: click.Context, _option: click.Parameter, value: uuid.UUID | None
) -> uuid.UUID | None:
    if value is not None and not value.int:
        raise click.BadParameter("no organisation has the nil UUID")
    return value


def _warn(context: Context, manifest: Manifest, *, with_secrets: bool) -> None:
    """Say what whoever made the archive has chosen of who may do what."""
    context.say(f"administrators: {manifest.administrators}")
    if not with_secrets:
        context.say("users come without passwords; --with-secrets takes hashes from the archive")


@command(
    examples=[
        "import-org acme.zip --org-id 0b0f6a52-2a57-4c4e-8d5b-4f2d1b9f6a10",
        "import-org acme",
    ]
)
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "--org-id",
    type=click.UUID,
    metavar="ID",
    callback=_not_nil,
    help="The organisation to make or fill.",
)
@click.option("--with-secrets", is_flag=True, help="With the hashes of passwords, if it has some.")
@click.option("--dry-run", is_flag=True, help="Read the archive and compare it; import nothing.")
async def import_org_command(
    context: Context,
    source: Path,
    *,
    org_id: uuid.UUID | None,
    with_secrets: bool,
    dry_run: bool,
) -> None:
    """Read an archive, SOURCE, into the organisation that it is of, or into another.

    That one is made if it is not there, and refused if it has rows. Sizes and checksums are
    compared before, and the rows with the archive after that; all of it is one transaction.
    Checksums show damage, not who made it: look how many administrators there are. Users come
    without passwords, unless the archive has their hashes and --with-secrets takes them.
    """
    if dry_run:
        with context.progress("rows") as progress:
            manifest = await telling(lambda tell: verify_archive(source, progress=tell), progress)
        _show(context, manifest, source)
        _warn(context, manifest, with_secrets=with_secrets)
        context.say("nothing was imported: sizes and checksums are those that the archive names")
        return
    with context.progress("rows") as progress:

        def work(manager: DatabaseManager, tell: Progress) -> Manifest:
            return import_organization(
                manager, source, org_id=org_id, with_secrets=with_secrets, progress=tell
            )

        manifest = await on_manager(place_of(context), work, progress)
    _show(context, manifest, source)
    _warn(context, manifest, with_secrets=with_secrets)


COMMANDS: Final = {each.name: each for each in (export_org_command, import_org_command)}
