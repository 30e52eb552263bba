"""The documentation as a site: it holds every public name, and needs no network."""

import importlib
import re
import subprocess
import sys
import zlib
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parent.parent
REMOTE = re.compile(
    r"""<(?:script|link|img|iframe|source)\b[^>]*?(?:src|href)=["'](?:https?:)?//"""
    r"""|url\(["']?(?:https?:)?//|@import""",
)
TARGET = re.compile(r'(?:href|src)="([^"#:?]+)(?:[#?][^"]*)?"')


@pytest.fixture
def extension(monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleType, ModuleType]:
    """Return the modules of the site, which Sphinx imports by path."""
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    return importlib.import_module("public_api"), importlib.import_module("site_pages")


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_site_holds_every_public_name_and_all_that_its_pages_want(
    extension: tuple[ModuleType, ModuleType], tmp_path: Path
) -> None:
    api, _ = extension
    site = tmp_path / "site"

    options: list[str | Path] = ["-q", "-W", "-d", tmp_path / "read", "-c", ROOT / "docs"]
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, ROOT, site],
        capture_output=True,
        text=True,
        check=False,
    )

    assert built.returncode == 0, built.stderr
    assert set(public_names(api)) - inventory(site) == set()
    assert [path for path in files(site) if REMOTE.search(path.read_text("utf-8"))] == []
    assert [link for page in site.rglob("*.html") for link in broken(page)] == []


def public_names(api: ModuleType) -> list[str]:
    """Return the full names of all that the public modules export."""
    modules = [importlib.import_module(name) for name in api.MODULES]
    return [f"{module.__name__}.{name}" for module in modules for name in api.names_of(module)]


def inventory(site: Path) -> set[str]:
    """Return the names that the site documents."""
    packed = (site / "objects.inv").read_bytes().split(b"\n", 4)[4]
    return {line.split(" ")[0] for line in zlib.decompress(packed).decode().splitlines()}


def files(site: Path) -> list[Path]:
    """Return the pages and styles of the site."""
    return [path for path in site.rglob("*") if path.suffix in {".html", ".css"}]


def broken(page: Path) -> list[str]:
    """Return what a page links to and the site does not have."""
    text = re.sub(r"<pre>.*?</pre>", "", page.read_text("utf-8"), flags=re.DOTALL)
    return [
        f"{page.name}: {link}"
        for link in TARGET.findall(text)
        if not (page.parent / unquote(link)).exists()
    ]


@pytest.mark.slow
@pytest.mark.unit
def test_every_public_name_says_what_it_is(extension: tuple[ModuleType, ModuleType]) -> None:
    api, _ = extension

    silent = [
        name
        for name in public_names(api)
        if not api.summary(sys.modules[name.rpartition(".")[0]], name.rpartition(".")[2])
    ]

    assert silent == []


@pytest.mark.unit
def test_every_public_module_has_its_page(extension: tuple[ModuleType, ModuleType]) -> None:
    api, _ = extension
    pages = ROOT / "docs" / "reference" / "api"

    written = [
        (page.stem, name)
        for page in pages.glob("*_*.md")
        for name in re.findall(
            r"^```\{public-names\} (\S+)$", page.read_text("utf-8"), re.MULTILINE
        )
    ]

    assert sorted(name for _, name in written) == sorted(api.MODULES)
    assert [name for page, name in written if not f"{name}.".startswith(f"{page}.")] == []


@pytest.mark.unit
def test_the_tree_of_the_site_is_what_a_page_lists(
    extension: tuple[ModuleType, ModuleType],
) -> None:
    _, pages = extension
    text = (
        "# All\n\n[a](a.md)\n\n**More**: some\n\n- [b](x/b.md#part) and [c](../c.md), [d](d.py)\n"
    )

    assert list(pages.trees(text)) == [("", ["a"]), ("More", ["x/b", "../c"])]
