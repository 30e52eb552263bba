import pytest

from project_architect_db.importers import manifests
from project_architect_db.importers.manifests import MAX_YAML, Manifest, parser_of

pytestmark = pytest.mark.unit

PYPROJECT = """
[project]
name = "thing"
description = "Does it."
dependencies = ["Django>=5", "psycopg[binary] ; python_version > '3'", "a_b.c", 7, "x @ https://h/x"]
[project.optional-dependencies]
dev = ["pytest"]
[dependency-groups]
lint = ["ruff", {include-group = "dev"}]
[project.scripts]
thing = "thing:main"
[project.gui-scripts]
thing-window = "thing:window"
"""
POETRY = """
[tool.poetry]
name = "poem"
description = "Rhymes."
[tool.poetry.dependencies]
python = "^3.11"
flask = "^3"
[tool.poetry.dev-dependencies]
black = "*"
[tool.poetry.group.test.dependencies]
pytest = "*"
[tool.poetry.scripts]
poem = "poem:main"
"""
SETUP_CFG = """
[metadata]
name = old
description = An old one.
[options]
install_requires =
    requests>=2
    # a comment
    six
[options.extras_require]
test = pytest
[options.entry_points]
console_scripts =
    old = old:main
"""
REQUIREMENTS = """
# what it needs
-r other.txt
--hash=sha256:0
Flask==3.0 \\
    --hash=sha256:1
https://host.example/x.whl
git+https://host.example/y
uvicorn[standard]>=0.2 ; python_version > "3"
"""
PACKAGE = """{
  "name": "page", "description": "Shows.", "bin": {"page": "./page.js", "paint": "./paint.js"},
  "dependencies": {"react": "^18"}, "devDependencies": {"jest": "*"}, "peerDependencies": [1]
}"""
COMPOSER = """{
  "name": "some/shop", "description": "Sells.", "bin": ["bin/shop", 3],
  "require": {"php": ">=8", "ext-json": "*", "laravel/framework": "^11"},
  "require-dev": {"phpunit/phpunit": "*"}
}"""
CARGO = """
bin = [{name = "crab", path = "src/main.rs"}, {path = "x.rs"}]
[package]
name = "crab"
description = "Walks."
[dependencies]
axum = "0.7"
[dev-dependencies]
criterion = "0.5"
[workspace.dependencies]
serde = "1"
[target.'cfg(unix)'.dependencies]
nix = "0.29"
"""
GO_MOD = """module github.com/some/gopher/v2

go 1.22

require github.com/gin-gonic/gin v1.9.1

require (
	gopkg.in/yaml.v3 v3.0.1 // indirect
	github.com/lib/pq v1.10.9
)
replace github.com/a/b => ../b
"""
POM = """<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <parent><groupId>org.springframework.boot</groupId><artifactId>boot-parent</artifactId></parent>
  <artifactId>bean</artifactId>
  <description>
    Brews.
  </description>
  <dependencies>
    <dependency><groupId>org.postgresql</groupId><artifactId>postgresql</artifactId></dependency>
    <dependency><artifactId>odd</artifactId></dependency>
  </dependencies>
</project>"""
GRADLE = """
plugins { id 'org.springframework.boot' version '3.2'
          id("java") }
dependencies {
    implementation 'com.mysql:mysql-connector-j:8.3'
    testImplementation("org.junit.jupiter:junit-jupiter")
    implementation(platform("io.quarkus.platform:quarkus-bom:3.8"))
    implementation project(':core')
}
"""
GEMFILE = "source 'https://host.example'\ngem 'rails', '~> 7'\n  gem(\"pg\")\n# gem 'no'\n"
DOCKERFILE = """
FROM --platform=linux/amd64 python:3.13 AS build
RUN pip install .
from build as test
FROM scratch
FROM nginx:1
FROM python:3.13
"""
COMPOSE = """
x-base: &base
  image: redis:7
  restart: always
services:
  web:
    build: .
  cache:
    <<: *base
  db:
    image: postgres:16
    environment: {A: b}
  ? [odd, key]
  : {image: x}
"""
WORKFLOW = """
name: tests
on: [push]
jobs:
  test:
    runs-on: ubuntu-latest
    services:
      postgres:
        image: postgres:16
  lint:
    runs-on: ubuntu-latest
"""


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        (
            "pyproject.toml",
            PYPROJECT,
            Manifest(
                "python",
                "thing",
                "Does it.",
                ("django", "psycopg", "a-b-c", "x", "pytest", "ruff"),
                ("thing", "thing-window"),
            ),
        ),
        (
            "a/pyproject.toml",
            POETRY,
            Manifest("python", "poem", "Rhymes.", ("flask", "black", "pytest"), ("poem",)),
        ),
        ("pyproject.toml", "project = 7\ntool = []", Manifest("python")),
        ("pyproject.toml", "[project]\nname = 7\ndependencies = {}", Manifest("python")),
        (
            "setup.cfg",
            SETUP_CFG,
            Manifest("python", "old", "An old one.", ("requests", "six", "pytest"), ("old",)),
        ),
        ("setup.cfg", "[flake8]\nmax-line-length = 100\n", Manifest("python")),
        (
            "requirements/requirements-dev.txt",
            REQUIREMENTS,
            Manifest("python", dependencies=("flask", "uvicorn")),
        ),
        (
            "package.json",
            PACKAGE,
            Manifest("npm", "page", "Shows.", ("react", "jest"), ("page", "paint")),
        ),
        (
            "package.json",
            '{"name": "x", "bin": "./x.js"}',
            Manifest("npm", "x", entry_points=("x",)),
        ),
        ("package.json", '{"bin": "./x.js"}', Manifest("npm")),
        (
            "composer.json",
            COMPOSER,
            Manifest(
                "composer",
                "some/shop",
                "Sells.",
                ("laravel/framework", "phpunit/phpunit"),
                ("bin/shop",),
            ),
        ),
        (
            "Cargo.toml",
            CARGO,
            Manifest("cargo", "crab", "Walks.", ("axum", "criterion", "serde", "nix"), ("crab",)),
        ),
        ("Cargo.toml", "[workspace]\nmembers = []", Manifest("cargo")),
        (
            "go.mod",
            GO_MOD,
            Manifest(
                "go",
                "gopher",
                dependencies=(
                    "github.com/gin-gonic/gin",
                    "gopkg.in/yaml.v3",
                    "github.com/lib/pq",
                ),
            ),
        ),
        (
            "pom.xml",
            POM,
            Manifest(
                "maven",
                "bean",
                "Brews.",
                ("org.postgresql:postgresql", ":odd", "org.springframework.boot:boot-parent"),
            ),
        ),
        (
            "app/build.gradle.kts",
            GRADLE,
            Manifest(
                "gradle",
                dependencies=(
                    "com.mysql:mysql-connector-j",
                    "org.junit.jupiter:junit-jupiter",
                    "io.quarkus.platform:quarkus-bom",
                    "org.springframework.boot",
                    "java",
                ),
            ),
        ),
        ("Gemfile", GEMFILE, Manifest("ruby", dependencies=("rails", "pg"))),
        ("docker/Dockerfile.web", DOCKERFILE, Manifest(images=("python:3.13", "nginx:1"))),
        ("web.Dockerfile", "FROM a", Manifest(images=("a",))),
        (
            "docker-compose.override.yml",
            COMPOSE,
            Manifest(services=("web", "cache", "db"), images=("redis:7", "postgres:16")),
        ),
        ("compose.yaml", "services: [a, b]", Manifest()),
        ("compose.yaml", "", Manifest()),
        (
            ".github/workflows/ci.yml",
            WORKFLOW,
            Manifest(images=("postgres:16",), ci=("GitHub Actions: tests",)),
        ),
        (".github/workflows/x.yaml", "on: push", Manifest(ci=("GitHub Actions",))),
    ],
)
def test_a_manifest_says_what_it_says(path: str, text: str, expected: Manifest) -> None:
    parse = parser_of(path)

    assert parse is not None
    assert parse(text) == expected


DEEP_XML = "<!DOCTYPE a [<!ENTITY b 'x'>]><project><name>&b;</name></project>"
LOOP = "a: &a\n  <<: *a\nservices: *a\n"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("pyproject.toml", "[project"),
        ("pyproject.toml", "a = " + "[" * 100_000),
        ("package.json", "{"),
        ("package.json", "[1]"),
        ("package.json", "[" * 200_000),
        ("setup.cfg", "no section"),
        ("go.mod", "require x v1"),
        ("pom.xml", "<project>"),
        ("pom.xml", DEEP_XML),
        ("pom.xml", "<!ENTITY"),
        ("compose.yaml", "a: [b"),
        ("compose.yaml", "- " * 2000),
        ("compose.yaml", "a: 1\n" * (MAX_YAML // 5 + 1)),
        ("compose.yaml", "a: *nowhere"),
    ],
)
def test_a_manifest_that_is_none_is_refused(path: str, text: str) -> None:
    parse = parser_of(path)

    assert parse is not None
    with pytest.raises(ValueError, match=r"\w"):
        parse(text)


def bomb(levels: int) -> str:
    """Return YAML in which each mapping merges the one before it twice."""
    lines = ["a0: &a0 {image: x}"]
    lines += [f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}" for n in range(1, levels)]
    return "\n".join([*lines, f"services: *a{levels - 1}", ""])


@pytest.mark.parametrize("text", [LOOP, bomb(40), bomb(40).replace("[", "").replace("]", "")])
def test_yaml_that_would_grow_is_not_expanded(text: str) -> None:
    parse = parser_of("compose.yaml")

    assert parse is not None
    try:
        found = parse(text).services
    except ValueError:
        return
    assert set(found) <= {"image", "services"}


@pytest.mark.parametrize(
    "path",
    [
        "main.py",
        "docs/package.json.md",
        "workflows/ci.yml",
        "requirements.md",
        "my-compose.yml.txt",
    ],
)
def test_other_files_are_no_manifests(path: str) -> None:
    assert parser_of(path) is None


def test_the_limits_are_documented() -> None:
    assert manifests.MAX_MANIFEST > manifests.MAX_YAML
