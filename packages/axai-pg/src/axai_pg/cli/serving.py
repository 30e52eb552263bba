"""The command that starts a PostgreSQL to try things on."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Final

import rich_click as click

from andamios_orm.cli.running import command
from axai_pg.cli.place import in_thread, shown_url
from axai_pg.testing.servers import temporary_server
from axai_pg.utils import DatabaseInitializer, DatabaseInitializerConfig

if TYPE_CHECKING:
    from andamios_orm.cli.running import Context

__all__ = ["COMMANDS"]


@command(examples=["serve-test-db", "serve-test-db --sample-data"], watched=False)
@click.option("--sample-data", is_flag=True, help="Load two small organisations as well.")
async def serve_test_db_command(context: Context, *, sample_data: bool) -> None:
    """Start a PostgreSQL with all tables, print its URL, and keep it until Ctrl-C.

    Where ANDAMIOS_TEST_POSTGRES_URL names a server, the database is made there. It is gone in
    the end.
    """
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    with temporary_server() as config:
        settings = DatabaseInitializerConfig(config, auto_drop_on_exit=True)
        with DatabaseInitializer(settings) as initializer:
            await in_thread(lambda: initializer.setup_database(load_sample_data=sample_data))
            url = shown_url(config)
            context.show("server", [{"url": url}], [url])
            context.say(f"next: {context.program.name} --url '{url}'; Ctrl-C ends it")
            await stopped.wait()


COMMANDS: Final = {each.name: each for each in (serve_test_db_command,)}
