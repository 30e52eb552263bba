"""Migrations: written from the models, run up and down, with rows changed in batches.

It prints the revisions as they run, what they changed, and that nothing differs at the
end. The second revision gives an indexed table a NOT NULL column and a check, which DuckDB
itself refuses: the table is made anew, so it costs a copy of the table. A revision that
fails leaves the one before it.
"""

import tempfile
from pathlib import Path

import sqlalchemy as sa

import andamios_orm
from andamios_orm import Database
from andamios_orm.exceptions import MigrationFailed
from andamios_orm.migration import MigrationManager
from andamios_orm.models.base import NAMING_CONVENTION

FIRST = sa.MetaData(naming_convention=NAMING_CONVENTION)
sa.Table(
    "book",
    FIRST,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("title", sa.String(100), nullable=False, index=True),
)

SECOND = sa.MetaData(naming_convention=FIRST.naming_convention)
sa.Table(
    "book",
    SECOND,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("title", sa.String(100), nullable=False, index=True),
    sa.Column("copies", sa.Integer, nullable=False, server_default="1"),
    sa.CheckConstraint("copies >= 0", name="copies"),
)

BATCHES = '''
"""Give each book a second copy."""
from andamios_orm.migration import Batches

revision = "{id}"
down_revision = "{after}"

upgrade = Batches("book", "id", "UPDATE book SET copies = 2 WHERE {{range}}", size=2)
downgrade = Batches("book", "id", "UPDATE book SET copies = 1 WHERE {{range}}", size=2)
'''

BROKEN = '''
"""Ask for more than there is."""
from alembic import op

revision = "{id}"
down_revision = "{after}"


def upgrade() -> None:
    op.execute("UPDATE book SET copies = -1")
'''


async def main(folder: Path) -> None:
    """Make a library, change it twice, fail once, and take it all back."""
    async with Database(f"duckdb:///{folder / 'library.duckdb'}") as database:
        migrations = MigrationManager(database, FIRST, folder / "migrations", progress=print)
        migrations.init()
        await migrations.revision("create books")
        await migrations.upgrade()
        async with database.engine.begin() as connection:
            titles = [{"title": title} for title in ("Emma", "Persuasion", "Sanditon")]
            await connection.execute(sa.insert(FIRST.tables["book"]), titles)

        migrations = MigrationManager(database, SECOND, folder / "migrations", progress=print)
        for difference in await migrations.check():
            print("differs:", difference)
        second = await migrations.revision("count copies")
        assert second is not None
        await migrations.upgrade()

        third = await migrations.revision("second copies", empty=True)
        assert third is not None
        third.path.write_text(BATCHES.format(id=third.id, after=second.id))
        await migrations.upgrade()
        async with database.engine.connect() as connection:
            print(list(await connection.execute(sa.text("SELECT title, copies FROM book"))))

        broken = await migrations.revision("too many", empty=True)
        assert broken is not None
        broken.path.write_text(BROKEN.format(id=broken.id, after=third.id))
        try:
            await migrations.upgrade()
        except MigrationFailed as failed:
            print(f"{failed.direction} of {failed.path.name if failed.path else ''} failed")
        print("at:", *await migrations.current())
        broken.path.unlink()

        assert await migrations.check() == ()
        await migrations.downgrade("base")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        andamios_orm.run(main(place))
        print("copies before a loss:", len(list(place.glob("library.before-*"))))
