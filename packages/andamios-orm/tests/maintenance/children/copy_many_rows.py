"""Copy one database into another: ``copy_many_rows.py SOURCE TARGET``; prints how far it is."""

import asyncio
import sys

from andamios_orm import Database
from andamios_orm.maintenance import copy_to


def tell(done: int, total: int) -> None:
    sys.stdout.write(f"{done} {total}\n")
    sys.stdout.flush()


async def main(source: str, target: str) -> None:
    """Copy, and print ``done total`` after each batch, ``resumed`` at the end."""
    async with Database(source) as one, Database(target) as other:
        copied = await copy_to(one, other, progress=tell)
    sys.stdout.write(f"{copied.resumed}\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
