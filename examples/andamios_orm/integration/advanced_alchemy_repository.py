"""An Advanced Alchemy repository on the async DuckDB engine.

Shows ``SQLAlchemyAsyncRepository`` with add, list and count, filters, upsert and delete, and
that its errors keep ours as their cause, so table and columns are known.

Prints what each call returned. Costs what Advanced Alchemy costs: it refreshes what it
adds, which is one more query.

Edge cases: its ``JsonB`` column type fails on SQLAlchemy 2.1 on every database, so use
SQLAlchemy's ``JSON`` there; ``begin_nested()`` needs PostgreSQL.
"""

from __future__ import annotations

import warnings

from sqlalchemy.exc import SADeprecationWarning
from sqlalchemy.orm import Mapped, mapped_column

from andamios_orm import Database, run
from andamios_orm.exceptions import DuplicateKey

with warnings.catch_warnings():
    # It still uses what SQLAlchemy 2.1 calls deprecated.
    warnings.simplefilter("ignore", SADeprecationWarning)
    from advanced_alchemy.base import BigIntBase
    from advanced_alchemy.exceptions import IntegrityError, RepositoryError
    from advanced_alchemy.filters import LimitOffset, SearchFilter
    from advanced_alchemy.repository import SQLAlchemyAsyncRepository


class Author(BigIntBase):
    """Somebody who writes."""

    __tablename__ = "authors"

    name: Mapped[str] = mapped_column(unique=True)
    country: Mapped[str]


class AuthorRepository(SQLAlchemyAsyncRepository[Author]):
    """The authors of one session."""

    model_type = Author


async def main() -> None:
    """Use the repository as its documentation does."""
    async with Database("duckdb:///:memory:") as database:
        async with database.engine.begin() as connection:
            await connection.run_sync(Author.metadata.create_all)

        async with database.transaction() as session:
            authors = AuthorRepository(session=session)
            ada = await authors.add(Author(name="Ada", country="GB"))
            await authors.add_many(
                [Author(name="Gabriela", country="CL"), Author(name="Jorge", country="AR")]
            )
            print("added:", ada.name, "with key", ada.id)

        async with database.transaction() as session:
            authors = AuthorRepository(session=session)
            found, total = await authors.get_many_and_count(
                SearchFilter("name", "a"), LimitOffset(limit=2, offset=0), order_by=("name", False)
            )
            print("found:", [author.name for author in found], "of", total)
            ada = await authors.get_one(name="Ada")
            ada.country = "UK"
            await authors.update(ada)
            await authors.delete((await authors.get_one(name="Jorge")).id)
            print("left:", await authors.count())

        try:
            async with database.transaction() as session:
                await AuthorRepository(session=session).add(Author(name="Ada", country="DE"))
        except (IntegrityError, RepositoryError) as error:
            cause: BaseException | None = error
            while cause is not None and not isinstance(cause, DuplicateKey):
                cause = cause.__cause__
            assert cause is not None
            print(f"{type(error).__name__}, caused by {type(cause).__name__} of {cause.columns}")


if __name__ == "__main__":
    run(main())
