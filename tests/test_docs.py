"""Every Python block in the documentation runs, and every link leads somewhere.

The ``python`` blocks of one page are one program, in order; ``await`` is allowed at
the top level. A ``pycon`` block is a doctest. A block that cannot run here carries the
reason in the line above its fence: ``<!-- not run: needs a production server -->``.
"""

import ast
import asyncio
import doctest
import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

import axai_pg.exceptions
from andamios_orm import Settings, exceptions
from andamios_orm.dialect import DatabaseOptions
from andamios_orm.testing import fixtures
from axai_pg import PostgresConnectionConfig, PostgresPoolConfig
from axai_pg.data.caching import CacheSettings
from axai_pg.data.config import connection
from axai_pg.testing import fixtures as axai_fixtures
from axai_pg.utils import DatabaseInitializerConfig

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ROOT = Path(__file__).parent.parent
AXAI_SETTINGS = "docs/reference/axai-pg-settings.md"
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "packages/*/README.md", "packages/*/src/**/*.md")
    for path in ROOT.glob(pattern)
)
FENCE = re.compile(
    r"^(?:<!-- not run: (?P<reason>.+) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
LINK = re.compile(r"(?<!!)\[[^\]\n]+\]\((?P<target>[^)\s#:]+)(?:#[^)\s]*)?\)")
DOCTESTED = sorted(
    path
    for path in ROOT.glob("packages/*/src/**/*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


class Block(NamedTuple):
    """One fenced block of a page."""

    language: str
    text: str
    line: int
    reason: str | None


def blocks(page: str) -> Iterator[Block]:
    """Yield the fenced blocks of ``page`` in order."""
    for match in FENCE.finditer(page):
        line = page.count("\n", 0, match.start("text"))
        yield Block(match["language"], match["text"], line, match["reason"])


def compiled(block: Block, name: str) -> CodeType:
    """Return the code of ``block`` with the line numbers of its page."""
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code: CodeType = compile("\n" * block.line + block.text, name, "exec", flags=flags)
    return code


def run_page(text: str, name: str) -> int:
    """Run the blocks of one page in one namespace and return how many ran."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    ran = 0
    with asyncio.Runner() as runner:
        for block in blocks(text):
            if block.reason is not None or block.language not in {"python", "pycon"}:
                continue
            if block.language == "pycon":
                check_console(block, name, namespace)
            else:
                run_block(runner, compiled(block, name), namespace)
            ran += 1
    return ran


def run_block(runner: asyncio.Runner, code: CodeType, namespace: dict[str, object]) -> None:
    """Run ``code``, on the loop of ``runner`` only if it awaits at the top level."""
    if not code.co_flags & inspect.CO_COROUTINE:
        exec(code, namespace)  # noqa: S102 - our own documentation
        return

    async def awaited() -> None:
        await eval(code, namespace)  # noqa: S307 - our own documentation

    runner.run(awaited())


def check_console(block: Block, name: str, namespace: dict[str, object]) -> None:
    """Fail unless the console session in ``block`` goes as it is written."""
    test = doctest.DocTestParser().get_doctest(block.text, namespace, name, name, block.line)
    test.globs = namespace
    report: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(test, out=report.append, clear_globs=False)
    assert result.failed == 0, "".join(report)


def page_name(path: Path) -> str:
    """Return the path of a page as a reader writes it."""
    return path.relative_to(ROOT).as_posix()


@pytest.mark.e2e
@pytest.mark.db
@pytest.mark.parametrize("page", PAGES, ids=page_name)
@pytest.mark.slow
def test_the_python_of_a_page_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    run_page(page.read_text(encoding="utf-8"), page_name(page))


@pytest.mark.integration
@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))

    missing = [link for link in LINK.findall(text) if not (page.parent / link).exists()]

    assert missing == []


@pytest.mark.integration
def test_every_page_is_reached_from_the_index() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "docs" / "index.md"]

    while waiting:
        page = waiting.pop()
        reached.add(page)
        links = LINK.findall(page.read_text(encoding="utf-8")) if page.suffix == ".md" else []
        waiting.extend({(page.parent / link).resolve() for link in links} - reached)

    assert set((ROOT / "docs").glob("**/*.md")) - reached == set()


@pytest.mark.integration
@pytest.mark.db
@pytest.mark.parametrize("path", DOCTESTED, ids=page_name)
def test_the_doctests_of_a_module_hold(path: Path) -> None:
    parts = path.relative_to(ROOT).with_suffix("").parts[3:]
    module = importlib.import_module(".".join(part for part in parts if part != "__init__"))

    result = doctest.testmod(module)

    assert result.failed == 0
    assert result.attempted > 0


@pytest.mark.unit
@pytest.mark.parametrize(
    "page",
    [
        "```python\nvalue = 1\n```\ntext\n```python\nassert value == 2\n```\n",
        "```python\nimport asyncio\nawait asyncio.sleep(0)\n1 / 0\n```\n",
        "```pycon\n>>> 1 + 1\n3\n\n```\n",
    ],
    ids=["assertion", "await", "console"],
)
def test_a_page_that_is_wrong_fails(page: str) -> None:
    with pytest.raises((AssertionError, ZeroDivisionError)):
        run_page(page, "page.md")


@pytest.mark.unit
def test_blocks_of_a_page_share_their_names_and_skip_with_a_reason() -> None:
    page = (
        "```python\nimport asyncio\nvalue = await asyncio.sleep(0, 7)\n```\n"
        "```pycon\n>>> value\n7\n\n```\n"
        "<!-- not run: an example -->\n```python\n1 / 0\n```\n"
        "```console\nmake test\n```\n"
    )

    assert run_page(page, "page.md") == 2


def names_of(settings: type["DataclassInstance"]) -> list[str]:
    """Return the names of the fields of a class of settings."""
    return [each.name for each in fields(settings)]


def first_cells(page: str, heading: str | None = None) -> list[str]:
    """Return the names in the first column of the first table, or of the one under a heading."""
    text = (ROOT / page).read_text(encoding="utf-8")
    if heading is not None:
        text = text.partition(f"## {heading}\n")[2]
    table = re.search(r"^\|[ -|]+\|$\n(?P<rows>(?:^\|.*\|$\n)+)", text, re.MULTILINE)
    assert table is not None, page
    return re.findall(r"^\| `(\w+)` \|", table["rows"], re.MULTILINE)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("page", "heading", "names"),
    [
        (
            "docs/reference/options.md",
            "Ours",
            lambda: [f.name for f in fields(DatabaseOptions)][:-2],
        ),
        ("docs/reference/settings.md", None, lambda: names_of(Settings)),
        ("docs/howto/testing.md", None, lambda: fixtures.__all__),
        (AXAI_SETTINGS, "Connection", lambda: names_of(PostgresConnectionConfig)),
        (AXAI_SETTINGS, "Pool", lambda: names_of(PostgresPoolConfig)),
        (AXAI_SETTINGS, "Initializer", lambda: names_of(DatabaseInitializerConfig)),
        (AXAI_SETTINGS, "Cache", lambda: names_of(CacheSettings)),
        ("docs/howto/axai-pg-organisations.md", "Test with it", lambda: axai_fixtures.__all__),
    ],
    ids=[
        *("options", "settings", "fixtures"),
        *("connection", "pool", "initializer", "cache", "axai fixtures"),
    ],
)
def test_a_reference_names_what_there_is(
    page: str, heading: str | None, names: Callable[[], list[str]]
) -> None:
    assert sorted(first_cells(page, heading)) == sorted(names())


@pytest.mark.unit
def test_the_settings_of_axai_name_each_variable_that_is_read() -> None:
    page = (ROOT / AXAI_SETTINGS).read_text(encoding="utf-8")
    sources = (ROOT / "packages" / "axai-pg" / "src").rglob("*.py")

    named = set(re.findall(r"`(POSTGRES_\w+|AXAI_\w+)`", page))
    read = {
        name
        for source in sources
        for name in re.findall(r'"(POSTGRES_\w+|AXAI_\w+)"', source.read_text(encoding="utf-8"))
    }

    assert named == read | {f"POSTGRES_{suffix}" for suffix in connection._VARIABLES.values()}


@pytest.mark.unit
def test_each_error_leads_to_its_place_among_the_errors() -> None:
    page = (ROOT / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")
    headings = re.findall(r"^### `(\w+)`$", page, re.MULTILINE)

    led_to = [
        getattr(module, name).docs
        for module in (exceptions, axai_pg.exceptions)
        for name in module.__all__
    ]

    assert sorted(led_to) == sorted(f"docs/reference/errors.md#{each.lower()}" for each in headings)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Return what returns a script as a module; scripts import one another by name."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return importlib.import_module


@pytest.mark.unit
def test_the_pages_of_the_commands_are_what_they_say_of_themselves(
    script: Callable[[str], Any],
) -> None:
    module = script("commands")

    stale = [
        page.name for page in module.PAGES if page.read_text(encoding="utf-8") != module.page(page)
    ]

    assert len(module.PAGES) == 3
    assert stale == [], "run scripts/commands.py --write"


@pytest.mark.unit
def test_the_page_and_the_picture_of_the_tables_are_those_of_the_models(
    script: Callable[[str], Any],
) -> None:
    module = script("architect_schema")

    written = [path.read_text(encoding="utf-8") for path in (module.PAGE, module.DRAWING)]

    assert written == [module.page(), module.drawing()], "run scripts/architect_schema.py --write"


@pytest.mark.unit
def test_the_page_of_the_tables_tells_keys_and_tables_apart(script: Callable[[str], Any]) -> None:
    page = script("architect_schema").page()
    tables = {each.partition("\n")[0]: each for each in page.split("\n## ")}

    assert "| `id` | BIGINT | BIGINT | key: an identity, on DuckDB" in tables["projects"]
    assert "| `word` | VARCHAR | VARCHAR | key |" in tables["search_words"]
    assert "`search_words`: the words that" in tables["search_words"]
    assert "`rollup_deltas`: what was added" in tables["rollup_deltas"]
    assert not any("identity" in tables[name] for name in ("search_words", "rollup_deltas"))
    assert " of ," not in page
