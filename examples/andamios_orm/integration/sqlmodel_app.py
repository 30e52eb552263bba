"""SQLModel on the async engine: its models and its sessions, unchanged.

Shows table models, a relationship loaded with ``selectinload``, SQLModel's own
``AsyncSession`` with ``exec``, and our ``transaction()`` with the same models.

Prints what was stored. Costs nothing beside SQLModel itself.

Edge cases: SQLModel reads annotations at run time, so a module with its models cannot have
``from __future__ import annotations``; a relationship that is touched unloaded raises
``MissingGreenlet`` under any async engine, so say what to load; SQLModel's ``AsyncSession``
expires what it commits unless ``expire_on_commit=False`` is given, ours does not.
"""

from sqlalchemy.orm import selectinload
from sqlmodel import Field, Relationship, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from andamios_orm import Database, run


class Team(SQLModel, table=True):
    """Some heroes."""

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(index=True, unique=True)
    heroes: list["Hero"] = Relationship(back_populates="team")


class Hero(SQLModel, table=True):
    """One of them."""

    id: int | None = Field(default=None, primary_key=True)
    name: str
    team_id: int | None = Field(default=None, foreign_key="team.id")
    team: Team | None = Relationship(back_populates="heroes")


async def main() -> None:
    """Store a team with its heroes and read it back."""
    async with Database("duckdb:///:memory:") as database:
        async with database.engine.begin() as connection:
            await connection.run_sync(SQLModel.metadata.create_all)

        async with AsyncSession(database.engine, expire_on_commit=False) as session:
            team = Team(name="Preventers", heroes=[Hero(name="Tarantula"), Hero(name="Dr. Weird")])
            session.add(team)
            await session.commit()
            print("stored:", team.name, "with key", team.id)

        async with database.transaction() as own:
            own.add(Hero(name="Captain", team_id=team.id))

        async with AsyncSession(database.engine) as session:
            query = select(Team).where(Team.name == "Preventers")
            found = await session.exec(query.options(selectinload(Team.heroes)))  # type: ignore[arg-type]  # SQLModel types a relationship as a list
            print("heroes:", sorted(hero.name for hero in found.one().heroes))
            names = await session.exec(select(Hero.name).order_by(col(Hero.name).desc()).limit(1))
            print("last by name:", names.one())


if __name__ == "__main__":
    run(main())
