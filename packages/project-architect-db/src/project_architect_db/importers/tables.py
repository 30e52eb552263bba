"""What names of files, packages and images stand for."""

import re
from collections.abc import Mapping
from typing import Final

__all__ = ["CI_FILES", "DATABASES", "FRAMEWORKS", "LANGUAGES", "TEST_FRAMEWORKS"]


def _by_name(table: Mapping[str, str]) -> dict[str, str]:
    """Return each of the names (split at blanks) with what it stands for."""
    return {name: meant for meant, names in table.items() for name in names.split()}


LANGUAGES: Final = _by_name(
    {
        "C": "c h",
        "C#": "cs",
        "C++": "cc cpp cxx hh hpp hxx",
        "CSS": "css less sass scss",
        "Clojure": "clj cljs cljc",
        "Dart": "dart",
        "Dockerfile": "dockerfile",
        "Elixir": "ex exs",
        "Erlang": "erl hrl",
        "F#": "fs fsx",
        "Fortran": "f f90 f95",
        "Go": "go",
        "Groovy": "groovy gradle",
        "HCL": "tf hcl",
        "HTML": "html htm jinja j2",
        "Haskell": "hs",
        "Java": "java",
        "JavaScript": "js jsx mjs cjs",
        "Julia": "jl",
        "Jupyter Notebook": "ipynb",
        "Kotlin": "kt kts",
        "Lua": "lua",
        "Makefile": "makefile mk",
        "OCaml": "ml mli",
        "Objective-C": "m mm",
        "PHP": "php",
        "Perl": "pl pm",
        "PowerShell": "ps1 psm1",
        "Python": "py pyi pyx",
        "R": "r",
        "Ruby": "rb rake gemspec",
        "Rust": "rs",
        "SQL": "sql",
        "Scala": "scala",
        "Shell": "sh bash zsh fish",
        "Svelte": "svelte",
        "Swift": "swift",
        "TypeScript": "ts tsx mts cts",
        "Vue": "vue",
        "Zig": "zig",
    }
)
"""By the ending of a file, or by its whole name in small letters."""

FRAMEWORKS: Final = _by_name(
    {
        "Django": "django",
        "FastAPI": "fastapi",
        "Flask": "flask",
        "Litestar": "litestar",
        "Sanic": "sanic",
        "Tornado": "tornado",
        "Starlette": "starlette",
        "aiohttp": "aiohttp",
        "Next.js": "next",
        "Nuxt": "nuxt nuxt3",
        "Angular": "@angular/core",
        "NestJS": "@nestjs/core",
        "SvelteKit": "@sveltejs/kit",
        "React": "react",
        "Vue": "vue",
        "Svelte": "svelte",
        "Express": "express",
        "Fastify": "fastify",
        "Electron": "electron",
        "Ruby on Rails": "rails",
        "Sinatra": "sinatra",
        "Laravel": "laravel/framework",
        "Symfony": "symfony/framework-bundle symfony/symfony",
        "Spring Boot": "org.springframework.boot",
        "Spring": "org.springframework",
        "Quarkus": "io.quarkus io.quarkus.platform",
        "Micronaut": "io.micronaut",
        "Actix": "actix-web",
        "Axum": "axum",
        "Rocket": "rocket",
        "Gin": "github.com/gin-gonic/gin",
        "Echo": "github.com/labstack/echo/v4 github.com/labstack/echo",
        "Fiber": "github.com/gofiber/fiber/v2 github.com/gofiber/fiber",
        "Phoenix": "phoenix",
        "Streamlit": "streamlit",
        "PyTorch": "torch",
        "TensorFlow": "tensorflow",
    }
)
"""By a package that is depended on; the first that is found says most."""

DATABASES: Final = _by_name(
    {
        "PostgreSQL": "postgres postgis pgvector timescaledb psycopg psycopg2 psycopg2-binary "
        "asyncpg pg postgresql org.postgresql tokio-postgres github.com/lib/pq "
        "github.com/jackc/pgx/v5",
        "MySQL": "mysql mysqlclient pymysql aiomysql mysql2 mysql-connector-python "
        "com.mysql github.com/go-sql-driver/mysql",
        "MariaDB": "mariadb",
        "SQLite": "sqlite aiosqlite sqlite3 better-sqlite3 rusqlite github.com/mattn/go-sqlite3",
        "DuckDB": "duckdb duckdb-engine duckdb-sqlalchemy",
        "Redis": "redis valkey ioredis redis-py github.com/redis/go-redis/v9",
        "MongoDB": "mongo mongodb pymongo motor mongoose",
        "Elasticsearch": "elasticsearch opensearch opensearch-py",
        "ClickHouse": "clickhouse clickhouse-server clickhouse-connect clickhouse-driver",
        "Cassandra": "cassandra cassandra-driver scylla",
        "Neo4j": "neo4j",
        "Microsoft SQL Server": "pyodbc pymssql mssql",
        "Oracle": "oracledb cx-oracle",
        "InfluxDB": "influxdb influxdb-client",
    }
)
"""By a driver that is depended on, or by an image that is run."""

TEST_FRAMEWORKS: Final = _by_name(
    {
        "pytest": "pytest",
        "Hypothesis": "hypothesis",
        "Jest": "jest",
        "Vitest": "vitest",
        "Mocha": "mocha",
        "Playwright": "playwright @playwright/test",
        "Cypress": "cypress",
        "JUnit": "junit org.junit.jupiter",
        "RSpec": "rspec rspec-rails",
        "PHPUnit": "phpunit/phpunit",
        "Criterion": "criterion",
        "Testify": "github.com/stretchr/testify",
    }
)
"""By a package that is depended on."""

CI_FILES: Final = (
    (re.compile(r"^\.gitlab-ci\.yml$"), "GitLab CI"),
    (re.compile(r"^\.circleci/config\.yml$"), "CircleCI"),
    (re.compile(r"^\.travis\.yml$"), "Travis CI"),
    (re.compile(r"^(?:\.ci/)?Jenkinsfile$"), "Jenkins"),
    (re.compile(r"^azure-pipelines\.yml$"), "Azure Pipelines"),
    (re.compile(r"^bitbucket-pipelines\.yml$"), "Bitbucket Pipelines"),
    (re.compile(r"^\.woodpecker(?:\.yml|/)"), "Woodpecker"),
)
"""By a path."""
