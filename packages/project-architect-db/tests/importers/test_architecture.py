import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.importers.make_clone import git, lose

from project_architect_db.importers import Architecture, Notice, read_clone
from project_architect_db.importers import architecture as architecture_module

pytestmark = [pytest.mark.integration, pytest.mark.sampled(5)]

NewClone = Callable[[dict[str, bytes | str]], Path]
PYPROJECT = """
[project]
name = "shop"
description = "Sells."
dependencies = ["fastapi", "django", "asyncpg", "redis", "shop-core"]
[project.scripts]
shop = "shop:main"
"""
SHOP: dict[str, bytes | str] = {
    "pyproject.toml": PYPROJECT,
    "src/shop/__init__.py": "x = 1\n",
    "src/shop/__main__.py": "",
    "packages/core/pyproject.toml": '[project]\nname = "shop-core"\ndependencies = ["pytest"]',
    "packages/core/src/core/__init__.py": "",
    "web/package.json": '{"name": "web", "dependencies": {"react": "1"}}',
    "web/app.tsx": "export {}\n",
    "web/node_modules/x/package.json": '{"dependencies": {"never": "1"}}',
    "compose.yaml": "services:\n  db:\n    image: mirror.example:5000/library/mysql:8\n",
    "Dockerfile": "FROM python:3.13\n",
    "tests/test_shop.py": "def test(): ...\n",
    "tests/__init__.py": "",
    "tests/data.json": "{}",
    "examples/x/pyproject.toml": '[project]\nname = "x"\ndependencies = ["never"]',
    ".gitlab-ci.yml": "",
    ".github/workflows/ci.yml": "name: ci\n",
}


@pytest.fixture
def read(new_clone: NewClone) -> Callable[[dict[str, bytes | str]], Architecture]:
    return lambda files: read_clone(new_clone(files)).architecture


Read = Callable[[dict[str, bytes | str]], Architecture]


def test_an_architecture_is_what_the_manifests_say(read: Read) -> None:
    found = read(SHOP)

    assert (found.name, found.description) == ("shop", "Sells.")
    assert found.as_json() == {
        "languages": {"Python": 22, "Dockerfile": 17, "TypeScript": 10},
        "framework": "Django",
        "frameworks": ["Django", "FastAPI", "React"],
        "dependencies": {
            "npm": ["react"],
            "python": ["asyncpg", "django", "fastapi", "pytest", "redis"],
        },
        "services": ["db"],
        "databases": ["PostgreSQL", "MySQL", "Redis"],
        "images": ["python:3.13", "mirror.example:5000/library/mysql:8"],
        "entry_points": ["shop", "src/shop/__main__.py"],
        "components": ["packages/core", "src/shop", "web"],
        "tests": {"frameworks": ["pytest"], "files": 2},
        "ci": ["GitHub Actions: ci", "GitLab CI"],
        "manifests": [
            "Dockerfile",
            "compose.yaml",
            "pyproject.toml",
            "web/package.json",
            ".github/workflows/ci.yml",
            "packages/core/pyproject.toml",
        ],
    }


def test_an_architecture_goes_into_json_and_back(read: Read) -> None:
    found = read(SHOP).as_json()

    assert json.loads(json.dumps(found)) == found


def test_nothing_is_told_about_an_empty_project(read: Read) -> None:
    assert read({"a.md": "a"}) == Architecture()
    assert Architecture().framework is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[project", "it cannot be read: "),
        (b"a\0", "it cannot be read: it is binary"),
        (b"#" * (1 << 20) + b"\n", "it cannot be read: it has 1048577 bytes"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_named_and_the_rest_is_read(
    new_clone: NewClone, content: bytes, reason: str
) -> None:
    reading = read_clone(new_clone({"pyproject.toml": content, "package.json": '{"name": "x"}'}))

    (notice,) = reading.notices
    assert (notice.kind, notice.name) == ("manifest", "pyproject.toml")
    assert notice.text.startswith(reason)
    assert reading.architecture.manifests == ("package.json",)
    assert reading.name == "x"


def test_a_manifest_whose_content_is_missing_is_named(new_clone: NewClone) -> None:
    clone = new_clone({"package.json": "{}"})
    lose(clone, "HEAD:package.json")

    notices = read_clone(clone).notices

    text = "it cannot be read: its content is missing or damaged"
    assert Notice("manifest", "package.json", text) in notices


def test_only_so_many_manifests_are_read(
    new_clone: NewClone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(architecture_module, "MAX_MANIFESTS", 1)

    reading = read_clone(new_clone({"a/package.json": "{}", "package.json": "{}"}))

    assert reading.architecture.manifests == ("package.json",)
    assert [str(each) for each in reading.notices] == ["a/package.json: only 1 manifests are read"]


def test_a_manifest_that_is_a_link_is_not_followed(new_clone: NewClone, tmp_path: Path) -> None:
    (tmp_path / "outside.json").write_text('{"name": "secret"}', encoding="utf-8")
    clone = new_clone({"a.md": "a"})
    (clone / "package.json").symlink_to(tmp_path / "outside.json")
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "-m", "link")

    assert read_clone(clone).architecture == Architecture()
