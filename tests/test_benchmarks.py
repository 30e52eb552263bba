"""The benchmarks run, their report says what it must, and a worse ratio is noticed."""

import importlib
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import Column, Index, Integer, MetaData, String, Table

ROOT = Path(__file__).parent.parent
FIGURES = {
    "isolation",
    "isolation_clone",
    "isolation_postgresql",
    "isolation_rollback",
    "isolation_savepoint",
    "core_get",
    "open_get",
    "orm_get",
    "database_get",
    "held_get",
    "complex_query",
    "acquire",
    "first_connection",
    "bulk_insert",
    "bulk_dicts",
    "bulk_models",
    "bulk_arrow",
    "bulk_postgresql",
    "feed_bulk",
    "repository_create",
    "repository_create_checked",
    "repository_update",
    "feed_create",
    "feed_update",
    "list_100",
    "list_10000",
    "cached_summary",
    "cached_dicts",
    "cached_instances",
    "cached_count",
    "peers_create",
    "peers_update",
    "peers_list_100",
    "peers_list_10000",
    "peers_dicts",
    "peers_models",
    "group_create",
    "group_insert",
    "hot_row",
    "hot_row_failures",
    "shared_reads",
    "fairness",
    "loop_health",
    "memory",
    "project_create",
    "project_get",
    "project_get_all",
    "project_message",
    "project_update",
    "project_delete",
    "projects_arrow",
    "projects_dicts",
    "projects_bulk_create",
    "projects_models",
    "project_creates",
    "project_messages",
    "project_messages_lost",
    "project_reads",
    "project_dashboards",
    "project_memory",
    "project_memory_bulk",
    "project_memory_import",
    *(f"search_word_{which}" for which in ("everywhere", "common", "uncommon", "rare")),
    "tenant_get",
    "tenant_get_open",
    "tenant_page",
    "tenant_aggregate",
    "tenant_search",
    "document_get",
    "document_page_cached",
    "document_page_cached_in_turn",
    "document_counts_cached",
    "documents_insert",
    "search_words",
    "search_phrase",
    "search_beginning",
    "search_typo",
    "search_viewer",
    "search_statements",
    "search_written",
    "search_rebuilt",
    "analytics_frameworks",
    "analytics_roles",
    *(
        f"analytics_{answer}{when}"
        for answer in (
            "project_metrics",
            "project_analytics",
            "conversation_metrics",
            "conversation_flow_analysis",
            "document_usage_stats",
            "repository_health_metrics",
            "cross_entity_analytics",
            "time_series_analysis",
            "needs_attention",
            "dashboard",
        )
        for when in ("", "_written", "_repeated")
    ),
}
# Advanced Alchemy uses what SQLAlchemy 2.1 has deprecated.
tolerating_peers = pytest.mark.filterwarnings("ignore:The declarative_mixin decorator")
ENVIRONMENT = {"Python": "3.11", "duckdb": "1.5.5"}


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the benchmarks as make does."""
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the report of the benchmarks, which are no installed package."""
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.report")


def kept(folder: Path, *, connecting: float, runs: int = 5) -> Path:
    """Return a file with a result in which ours takes ``connecting`` times one raw read."""
    values = {"raw": 1.0, "sync": 1.0, "ours": connecting}
    places = {"memory": {"hot": values, "idle": values}, "file": {"hot": values, "idle": values}}
    return kept_values(folder, "acquire", places, runs=runs)


def kept_values(folder: Path, figure: str, places: dict[str, Any], *, runs: int = 5) -> Path:
    """Return a file with a result in which every run of ``figure`` has found ``places``."""
    result = {"environment": ENVIRONMENT, "runs": {figure: [places] * runs}}
    path = folder / "result.json"
    path.write_text(json.dumps(result), encoding="utf-8")
    return path


@pytest.mark.performance
@pytest.mark.slow
@pytest.mark.db
@pytest.mark.timeout(600)
def test_a_quick_run_reports_every_figure(tmp_path: Path) -> None:
    pytest.importorskip("advanced_alchemy")
    result = tmp_path / "result.json"

    finished = bench("--quick", "--json", str(result))

    assert finished.returncode == 0, finished.stderr
    assert set(json.loads(result.read_text(encoding="utf-8"))["runs"]) == FIGURES
    assert "bounds met" in finished.stdout


@pytest.mark.integration
@pytest.mark.slow
def test_the_report_shows_all_runs_and_the_code_of_the_floor(tmp_path: Path) -> None:
    finished = bench(
        "--only", "connection_benchmarks", "--read", str(kept(tmp_path, connecting=0.4))
    )

    assert finished.returncode == 0, finished.stderr
    assert "ours / raw <= 0.5x on memory: 0.40 (0.40 0.40 0.40 0.40 0.40)   met" in finished.stdout
    assert "def raw_get(connection: duckdb.DuckDBPyConnection, key: int)" in finished.stdout
    assert "1 of 1 bounds met" in finished.stdout


@pytest.mark.integration
@pytest.mark.slow
def test_an_unmet_bound_is_shown_and_does_not_fail(tmp_path: Path) -> None:
    finished = bench(
        "--only", "connection_benchmarks", "--read", str(kept(tmp_path, connecting=0.6))
    )

    assert finished.returncode == 0, finished.stderr
    assert "UNMET" in finished.stdout
    assert "0 of 1 bounds met; unmet: acquire: ours / raw" in finished.stdout


@pytest.mark.integration
@pytest.mark.parametrize(("connecting", "code"), [(0.0001, 0), (1000.0, 1)])
@pytest.mark.slow
def test_a_ratio_worse_than_the_baseline_by_half_fails(
    connecting: float, code: int, tmp_path: Path
) -> None:
    result = kept(tmp_path, connecting=connecting)

    finished = bench("--only", "connection_benchmarks", "--read", str(result), "--check")

    assert finished.returncode == code, finished.stderr
    assert ("worse than the baseline: acquire: ours / raw" in finished.stdout) == bool(code)


@tolerating_peers
@pytest.mark.unit
def test_the_baseline_holds_ratios_of_bounds_that_exist(module: ModuleType) -> None:
    pytest.importorskip("advanced_alchemy")
    suites = importlib.import_module("benchmarks.suites")
    known = json.loads((ROOT / "benchmarks" / "baseline.json").read_text(encoding="utf-8"))
    bounds = {
        f"{figure.name}: {bound.name}"
        for suite in suites.SUITES
        for figure in suites.figures_of(suite.modules)
        for bound in figure.bounds
        if bound.floor is not None
    }

    assert set(known) <= bounds
    assert module.TOLERANCE == 1.5


@pytest.mark.integration
@pytest.mark.slow
def test_a_bound_can_be_on_what_comes_on_top(tmp_path: Path) -> None:
    values = {"raw": 2.0, "without": 3.0, "ours": 4.0}
    result = kept_values(tmp_path, "feed_create", {"memory": {"hot": values}})

    finished = bench("--only", "repository_operations", "--read", str(result))

    assert "(ours - without) / raw <= 0.6x on memory: 0.50" in finished.stdout, finished.stderr
    assert "def unrecorded_create(" in finished.stdout


@pytest.mark.unit
def test_a_figure_without_a_floor_shows_the_code_of_ours(
    module: ModuleType, tmp_path: Path
) -> None:
    figures = importlib.import_module("benchmarks.project_architect_db.search").FIGURES
    values = {"file": {"hot": {"ours": 2.0}}}
    result = module.Result.read(kept_values(tmp_path, "search_phrase", values))
    (phrase,) = result.chosen(figures)

    lines = list(module.details(result, phrase, set()))

    assert lines[:2] == [
        "search_phrase: a phrase",
        "  file             hot               ours 2.00 ms",
    ]
    assert lines[2:4] == [
        "  ours is",
        "    async def search(repository: SearchRepository, question: str) -> SearchResults:",
    ]


@tolerating_peers
@pytest.mark.integration
def test_what_only_compares_has_a_table_of_its_own(module: ModuleType, tmp_path: Path) -> None:
    pytest.importorskip("advanced_alchemy")
    peers = importlib.import_module("benchmarks.andamios_orm.peers")
    names = peers.FIGURES[0].codes
    places = {"file": {"hot": dict.fromkeys(names, 2.0)}}
    result = module.Result.read(kept_values(tmp_path, "peers_create", places))

    lines = list(module.comparison(result, peers.FIGURES))

    assert lines[0] == f"| on a file | {' | '.join(names)} |"
    assert lines[2] == f"| one new row | {' | '.join(['2.00 ms'] * 6)} |"
    assert len(lines) == 3
    assert "one new row" not in "".join(module.table(result, peers.FIGURES))


@tolerating_peers
@pytest.mark.unit
@pytest.mark.parametrize(
    ("package", "figure", "ratio", "cell"),
    [
        ("ANDAMIOS_ORM", "acquire", 0.4, "| 0.40 (0.40, 0.40, 0.40, 0.40, 0.40) | met |"),
        ("PROJECT_ARCHITECT_DB", "project_get", 9.0, "| 9.00 (9.00, 9.00, 9.00, 9.00, 9.00) | UN"),
        ("AXAI_PG", "document_get", 2.5, "| 2.50 (2.50, 2.50, 2.50, 2.50, 2.50) | met |"),
    ],
)
def test_the_page_takes_the_figures_of_a_result(
    module: ModuleType, tmp_path: Path, package: str, figure: str, ratio: float, cell: str
) -> None:
    pytest.importorskip("advanced_alchemy")
    page = importlib.import_module("benchmarks.page")
    suite = getattr(importlib.import_module("benchmarks.suites"), package)
    text = suite.page.read_text(encoding="utf-8")
    values = {"raw": 1.0, "sync": 1.0, "ours": ratio}
    path = kept_values(tmp_path, figure, {"file": {"hot": values, "idle": values}})

    once = page.written(suite, text, module.Result.read(path))

    assert cell in once
    assert page.written(suite, once, module.Result.read(path)) == once
    assert once.startswith(text.partition(page.BEGIN)[0])


@pytest.mark.slow
@tolerating_peers
@pytest.mark.integration
def test_pages_are_written_by_one_command(
    module: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("advanced_alchemy")
    program = importlib.import_module("benchmarks.program")
    suites = importlib.import_module("benchmarks.suites")
    copies = [replace(suite, page=tmp_path / suite.page.name) for suite in suites.SUITES]
    for suite, copy in zip(suites.SUITES, copies, strict=True):
        shutil.copyfile(suite.page, copy.page)
    before = copies[0].page.read_text(encoding="utf-8")
    result = kept_values(tmp_path, "search_written", {"file": {"hot": {"ours": 12.0}}})

    code = program.main(copies, ["--read", str(result), "--write-pages"])

    said = capsys.readouterr().out
    page = copies[1].page.read_text(encoding="utf-8")
    assert code == 0
    assert (
        "| file 12.0 ms | ours <= 30 on file | 12.0 (12.0, 12.0, 12.0, 12.0, 12.0) | met |" in page
    )
    assert "written: performance-project-architect.md; not measured: project_create, " in said
    assert copies[0].page.read_text(encoding="utf-8") == before


@pytest.mark.unit
def test_a_quick_run_is_written_into_no_page(
    module: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    program = importlib.import_module("benchmarks.program")

    with pytest.raises(SystemExit):
        program.main(arguments=["--quick", "--write-pages"])

    assert "--write-pages is for figures, and --quick has none" in capsys.readouterr().err


@pytest.mark.unit
@pytest.mark.parametrize("arguments", [["0"], ["10", "--write-pages"]])
def test_fewer_documents_are_written_into_no_page(
    module: ModuleType, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    program = importlib.import_module("benchmarks.program")

    with pytest.raises(SystemExit):
        program.main(arguments=["--documents", *arguments])

    assert "--documents is at least 1" in capsys.readouterr().err


@pytest.mark.slow
@tolerating_peers
@pytest.mark.unit
def test_figures_of_all_packages_have_names_of_their_own(module: ModuleType) -> None:
    pytest.importorskip("advanced_alchemy")
    suites = importlib.import_module("benchmarks.suites")

    names = [figure.name for suite in suites.SUITES for figure in suites.figures_of(suite.modules)]

    assert set(names) == FIGURES
    assert len(names) == len(set(names))
    assert module.TOLERANCE > 1


@pytest.mark.unit
def test_a_portfolio_is_not_kept_beyond_its_tables_or_its_seeding(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    contenders = importlib.import_module("benchmarks.project_architect_db.contenders")
    fingerprint = importlib.import_module("benchmarks.keeping").fingerprint
    metadata, source = MetaData(), tmp_path / "words.py"
    table = Table("projects", metadata, Column("id", Integer))
    seen = [fingerprint(tmp_path.iterdir(), *contenders.statements(metadata))]

    source.write_text("WORDS = 1")
    seen.append(fingerprint(tmp_path.iterdir(), *contenders.statements(metadata)))
    source.write_text("WORDS = 2")
    seen.append(fingerprint(tmp_path.iterdir(), *contenders.statements(metadata)))
    table.append_column(Column("name", String))
    seen.append(fingerprint(tmp_path.iterdir(), *contenders.statements(metadata)))
    Index("by_name", table.c.name)
    seen.append(fingerprint(tmp_path.iterdir(), *contenders.statements(metadata)))

    assert len(set(seen)) == 5
    assert fingerprint(tmp_path.iterdir(), *contenders.statements(metadata)) == seen[-1]


@pytest.mark.integration
@pytest.mark.db
@pytest.mark.slow
def test_the_memory_of_the_driver_is_that_of_a_process_with_nothing_of_ours(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    memory = importlib.import_module("benchmarks.project_architect_db.memory_usage")
    path = str(tmp_path / "memory.duckdb")
    memory.make_tables(path)
    program = (
        "import sys; from benchmarks.project_architect_db import memory_usage as memory; "
        "rows = memory.raw_bulk(sys.argv[1]).execute('SELECT count(*) FROM projects').fetchone(); "
        "print(*rows, *{name.partition('.')[0] for name in sys.modules})"
    )

    finished = subprocess.run(
        [sys.executable, "-c", program, path], cwd=ROOT, capture_output=True, text=True, check=True
    )

    count, *imported = finished.stdout.split()
    assert count == "10000"
    assert {"andamios_orm", "project_architect_db", "sqlalchemy"}.isdisjoint(imported)


@pytest.mark.unit
def test_a_module_is_found_with_and_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    suites = importlib.import_module("benchmarks.suites")

    found = [list(suite.named("memory_usage")) for suite in suites.SUITES]

    assert found == [["andamios_orm.memory_usage"], ["project_architect_db.memory_usage"], []]
    assert list(suites.ANDAMIOS_ORM.named("project_architect_db.memory_usage")) == []


@pytest.mark.performance
@pytest.mark.db
@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_seeded_documents_are_those_that_the_triggers_would_make(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    contenders = importlib.import_module("benchmarks.axai_pg.contenders")
    monkeypatch.setattr(contenders, "KEPT", tmp_path)
    outdated = tmp_path / "axai-500-before"
    outdated.mkdir()

    async with contenders.opened(500) as opened:
        places = opened.places
        cursor = await opened.raw.execute(
            "WITH before AS (SELECT * FROM documents), after AS ("
            "UPDATE documents SET title = title || ' ', search_vector = NULL RETURNING *) "
            "SELECT count(*), count(*) FILTER (WHERE after.search_vector = before.search_vector "
            "AND after.content_hash = encode(sha256(convert_to(before.content, 'UTF8')), 'hex')) "
            "FROM before JOIN after USING (id)"
        )
        found = await cursor.fetchone()
        cursor = await opened.raw.execute(
            "SELECT count(*) FROM documents GROUP BY org_id ORDER BY 1 DESC"
        )
        sizes = [size for (size,) in await cursor.fetchall()]

    assert found == (500, 500)
    assert sizes[0] > 3 * sizes[-1]
    assert len({place.id for place in places}) == 490
    assert [path.name for path in tmp_path.iterdir()] != [outdated.name]
    assert not outdated.exists()
