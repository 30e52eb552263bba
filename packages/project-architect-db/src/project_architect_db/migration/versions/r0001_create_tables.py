"""Create the tables of projects, conversations, documents and repositories."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

POSTGRESQL = "postgresql"
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), POSTGRESQL)
MOMENT = sa.DateTime(timezone=True)
NOW = sa.text("now()")


def upgrade() -> None:
    """Create all tables."""
    create_feed()
    create_projects()
    create_conversations()
    create_documents()
    create_repositories()
    create_search()


def downgrade() -> None:
    """Drop all tables, what refers to others first; the feed stays where others may need it."""
    is_shared = feed_is_shared()
    for table in TABLES if is_shared else (*TABLES, *FEED):
        op.drop_table(table)


def feed_is_shared() -> bool:
    """Return whether there are tables of an application, which may have made the feed."""
    context = op.get_context()
    if context.as_sql:  # nobody can be asked
        return True
    found = set(sa.inspect(op.get_bind()).get_table_names())
    return not found <= {*TABLES, *FEED, context.version_table}


TABLES = (
    "search_words",
    "repository_activity",
    "contributors",
    "deployments",
    "builds",
    "repositories",
    "document_accesses",
    "document_versions",
    "documents",
    "conversation_phases",
    "conversation_messages",
    "conversations",
    "project_members",
    "projects",
    "rollup_deltas",
)
"""Those of this package, in an order in which they can be dropped."""
FEED = ("andamios_history", "andamios_followers", "andamios_changes")


def key() -> sa.Column[int]:
    """Return the key that every row of the package has."""
    return sa.Column("id", sa.BigInteger, sa.Identity(always=False), nullable=False)


def entity_columns() -> list[sa.Column[object]]:
    """Return the columns that the four entities share."""
    return [
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("updated_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("version", sa.Integer, server_default="1", nullable=False),
        sa.Column("deleted_at", MOMENT),
    ]


def belongs_to(table: str, column: str, parent: str) -> sa.ForeignKeyConstraint:
    """Return the foreign key of a table to the key of another one."""
    name = op.f(f"fk_{table}_{column}_{parent}")
    return sa.ForeignKeyConstraint([column], [f"{parent}.id"], name=name)


def create_feed() -> None:
    """Create the tables of the change feed, which an application may have, and of sums by day."""
    op.create_table(
        "andamios_changes",
        sa.Column("position", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("time", MOMENT, nullable=False),
        sa.Column("actor", sa.String),
        sa.Column("entity", sa.String, nullable=False),
        sa.Column("key", sa.String),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("keys", JSON),
        sa.Column("first_key", sa.String),
        sa.Column("last_key", sa.String),
        sa.Column("tenant", sa.String),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_andamios_changes")).ddl_if(
            dialect=POSTGRESQL
        ),
        if_not_exists=True,
    )
    op.create_table(
        "andamios_followers",
        sa.Column("name", sa.String, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("time", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_andamios_followers")),
        if_not_exists=True,
    )
    op.create_table(
        "andamios_history",
        sa.Column("entity", sa.String, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("position", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("time", MOMENT, nullable=False),
        sa.Column("actor", sa.String),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("version", sa.BigInteger),
        sa.Column("before", JSON),
        sa.Column("after", JSON),
        sa.Column("tenant", sa.String),
        sa.PrimaryKeyConstraint(
            "entity", "key", "position", name=op.f("pk_andamios_history")
        ).ddl_if(dialect=POSTGRESQL),
        if_not_exists=True,
    )
    op.create_table(
        "rollup_deltas",
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("kind", sa.String(50), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("delta", sa.BigInteger, nullable=False),
    )


def create_projects() -> None:
    """Create projects and their members."""
    op.create_table(
        "projects",
        key(),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("description", sa.String(5000)),
        sa.Column("project_idea", sa.String(10000), nullable=False),
        sa.Column("architecture", JSON),
        sa.Column("status", sa.String, server_default="draft", nullable=False),
        sa.Column("owner", sa.String(255)),
        sa.Column("source", sa.String(1000)),
        sa.Column("is_sample", sa.Boolean, server_default="false", nullable=False),
        sa.Column("framework", sa.String(100)),
        sa.Column("complexity_score", sa.BigInteger),
        sa.Column("completed_at", MOMENT),
        *entity_columns(),
        sa.CheckConstraint(
            "status IN ('draft', 'active', 'completed', 'archived')",
            name=op.f("ck_projects_status"),
        ),
        sa.CheckConstraint(
            "complexity_score BETWEEN 0 AND 100", name=op.f("ck_projects_complexity_score")
        ),
        sa.CheckConstraint("length(description) <= 5000", name=op.f("ck_projects_description")),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 255", name=op.f("ck_projects_name")),
        sa.CheckConstraint(
            "length(project_idea) BETWEEN 10 AND 10000", name=op.f("ck_projects_project_idea")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_projects")),
    )
    op.create_index(
        "idx_project_status_created", "projects", ["status", "created_at"], duckdb_index=False
    )
    op.create_index("idx_project_name_search", "projects", ["name"])
    op.create_table(
        "project_members",
        key(),
        sa.Column("project_id", sa.BigInteger, nullable=False),
        sa.Column("member", sa.String(255), nullable=False),
        sa.Column("role", sa.String(50), server_default="member", nullable=False),
        sa.Column("added_at", MOMENT, nullable=False),
        sa.CheckConstraint(
            "length(member) BETWEEN 1 AND 255", name=op.f("ck_project_members_member")
        ),
        belongs_to("project_members", "project_id", "projects"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project_members")),
        sa.UniqueConstraint(
            "project_id", "member", name=op.f("uq_project_members_project_id_member")
        ),
    )
    op.create_index("idx_project_member_member", "project_members", ["member"])


def create_conversations() -> None:
    """Create conversations, their messages, and the phases they have left."""
    op.create_table(
        "conversations",
        key(),
        sa.Column("project_id", sa.BigInteger, nullable=False),
        sa.Column("title", sa.String(255)),
        sa.Column("source", sa.String(255)),
        sa.Column("phase", sa.String(50), server_default="project_idea", nullable=False),
        sa.Column("phase_entered_at", MOMENT, nullable=False),
        sa.Column("message_count", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("word_count", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("token_count", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("last_message_at", MOMENT),
        *entity_columns(),
        sa.CheckConstraint("length(phase) BETWEEN 1 AND 50", name=op.f("ck_conversations_phase")),
        sa.CheckConstraint("message_count >= 0", name=op.f("ck_conversations_message_count")),
        belongs_to("conversations", "project_id", "projects"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversations")),
    )
    op.create_index("idx_conversation_phase", "conversations", ["phase"], duckdb_index=False)
    op.create_index("idx_conversation_project", "conversations", ["project_id"])
    op.create_index(
        "idx_conversation_source", "conversations", ["project_id", "source"], duckdb_index=False
    )
    op.create_table(
        "conversation_messages",
        key(),
        sa.Column("conversation_id", sa.BigInteger, nullable=False),
        sa.Column("role", sa.String(50), nullable=False),
        sa.Column("author", sa.String(255)),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("time", MOMENT, nullable=False),
        sa.Column("tokens", sa.BigInteger),
        sa.Column("words", sa.BigInteger, nullable=False),
        sa.CheckConstraint(
            "length(role) BETWEEN 1 AND 50", name=op.f("ck_conversation_messages_role")
        ),
        sa.CheckConstraint("tokens >= 0", name=op.f("ck_conversation_messages_tokens")),
        belongs_to("conversation_messages", "conversation_id", "conversations"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversation_messages")),
    )
    op.create_index("idx_message_conversation", "conversation_messages", ["conversation_id"])
    op.create_table(
        "conversation_phases",
        key(),
        sa.Column("conversation_id", sa.BigInteger, nullable=False),
        sa.Column("phase", sa.String(50), nullable=False),
        sa.Column("entered_at", MOMENT, nullable=False),
        sa.Column("left_at", MOMENT, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        belongs_to("conversation_phases", "conversation_id", "conversations"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversation_phases")),
    )
    op.create_index("idx_phase_conversation", "conversation_phases", ["conversation_id"])


def create_documents() -> None:
    """Create documents, their earlier contents, and who has read them."""
    op.create_table(
        "documents",
        key(),
        sa.Column("project_id", sa.BigInteger, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("doc_type", sa.String, server_default="other", nullable=False),
        sa.Column("content", sa.Text, server_default="", nullable=False),
        sa.Column("file_path", sa.String(1000)),
        sa.Column("word_count", sa.BigInteger, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("changed_by", sa.String(255)),
        sa.Column("note", sa.String(1000)),
        sa.Column("revision", sa.String(64)),
        *entity_columns(),
        sa.CheckConstraint(
            "length(file_path) BETWEEN 1 AND 1000", name=op.f("ck_documents_file_path")
        ),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 255", name=op.f("ck_documents_name")),
        belongs_to("documents", "project_id", "projects"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_documents")),
    )
    op.create_index("idx_document_type", "documents", ["doc_type"], duckdb_index=False)
    op.create_index("idx_document_project", "documents", ["project_id"])
    op.create_table(
        "document_versions",
        key(),
        sa.Column("document_id", sa.BigInteger, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("changed_by", sa.String(255)),
        sa.Column("note", sa.String(1000)),
        sa.Column("revision", sa.String(64)),
        belongs_to("document_versions", "document_id", "documents"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_document_versions")),
        sa.UniqueConstraint(
            "document_id", "number", name=op.f("uq_document_versions_document_id_number")
        ),
    )
    op.create_table(
        "document_accesses",
        key(),
        sa.Column("document_id", sa.BigInteger, nullable=False),
        sa.Column("accessed_at", MOMENT, nullable=False),
        sa.Column("accessed_by", sa.String(255)),
        belongs_to("document_accesses", "document_id", "documents"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_document_accesses")),
    )
    op.create_index("idx_access_document", "document_accesses", ["document_id"])


def create_repositories() -> None:
    """Create repositories of code, and what happens in them."""
    op.create_table(
        "repositories",
        key(),
        sa.Column("project_id", sa.BigInteger, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("description", sa.String(5000)),
        sa.Column("repo_type", sa.String, server_default="backend", nullable=False),
        sa.Column("github_url", sa.String(1000)),
        sa.Column("remotes", JSON, server_default="{}", nullable=False),
        sa.Column("default_branch", sa.String(255)),
        sa.Column("language", sa.String(100)),
        sa.Column("languages", JSON, server_default="{}", nullable=False),
        sa.Column("stars", sa.BigInteger),
        sa.Column("forks", sa.BigInteger),
        sa.Column("open_issues", sa.BigInteger),
        sa.Column("pushed_at", MOMENT),
        sa.Column("synced_at", MOMENT),
        sa.Column("metadata", JSON, server_default="{}", nullable=False),
        *entity_columns(),
        sa.CheckConstraint("length(description) <= 5000", name=op.f("ck_repositories_description")),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 255", name=op.f("ck_repositories_name")),
        belongs_to("repositories", "project_id", "projects"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_repositories")),
    )
    op.create_index("idx_repository_type", "repositories", ["repo_type"], duckdb_index=False)
    op.create_index("idx_repository_project", "repositories", ["project_id"])
    op.create_table(
        "builds",
        key(),
        sa.Column("repository_id", sa.BigInteger, nullable=False),
        sa.Column("branch", sa.String(255)),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT),
        sa.Column("commit", sa.String(64)),
        sa.Column("url", sa.String(1000)),
        sa.CheckConstraint(
            "status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')",
            name=op.f("ck_builds_status"),
        ),
        sa.CheckConstraint("finished_at >= started_at", name=op.f("ck_builds_finished_at")),
        belongs_to("builds", "repository_id", "repositories"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_builds")),
    )
    op.create_index("idx_build_repository", "builds", ["repository_id"])
    op.create_table(
        "deployments",
        key(),
        sa.Column("repository_id", sa.BigInteger, nullable=False),
        sa.Column("environment", sa.String(100), server_default="production", nullable=False),
        sa.Column("release", sa.String(255)),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT),
        sa.Column("commit", sa.String(64)),
        sa.Column("url", sa.String(1000)),
        sa.CheckConstraint(
            "status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')",
            name=op.f("ck_deployments_status"),
        ),
        sa.CheckConstraint("finished_at >= started_at", name=op.f("ck_deployments_finished_at")),
        belongs_to("deployments", "repository_id", "repositories"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deployments")),
    )
    op.create_index("idx_deployment_repository", "deployments", ["repository_id"])
    op.create_table(
        "contributors",
        key(),
        sa.Column("repository_id", sa.BigInteger, nullable=False),
        sa.Column("email", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("commits", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("added", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("removed", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("first_at", MOMENT),
        sa.Column("last_at", MOMENT),
        belongs_to("contributors", "repository_id", "repositories"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contributors")),
        sa.UniqueConstraint(
            "repository_id", "email", name=op.f("uq_contributors_repository_id_email")
        ),
    )
    op.create_table(
        "repository_activity",
        key(),
        sa.Column("repository_id", sa.BigInteger, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("commits", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("added", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("removed", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("authors", sa.BigInteger, server_default="0", nullable=False),
        belongs_to("repository_activity", "repository_id", "repositories"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_repository_activity")),
        sa.UniqueConstraint(
            "repository_id", "day", name=op.f("uq_repository_activity_repository_id_day")
        ),
    )


ACCENTS = r"'[\u0300-\u036f]+'"
SIGNS = r"'[\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00bf\u2000-\u206f\u3000-\u303f]+'"
TRIGRAMS = """
DO $$ BEGIN
  CREATE EXTENSION IF NOT EXISTS pg_trgm;
EXCEPTION WHEN OTHERS THEN
  RAISE NOTICE 'pg_trgm cannot be created, so searches tolerate no typos: %', SQLERRM;
END $$
"""
SEARCHED: tuple[tuple[str, str, list[str], list[str]], ...] = (
    ("idx_project_search", "projects", ["name"], ["description", "project_idea", "framework"]),
    ("idx_conversation_search", "conversations", ["title"], []),
    ("idx_message_search", "conversation_messages", [], ["content"]),
    ("idx_document_search", "documents", ["name", "file_path"], ["content"]),
    ("idx_repository_search", "repositories", ["name", "github_url"], ["description", "language"]),
)
"""The indexes of words: the table, its columns that are titles, and those that are texts."""


def create_search() -> None:
    """Create what PostgreSQL searches in."""
    if op.get_context().dialect.name == POSTGRESQL:
        op.execute(TRIGRAMS)
    op.create_table(
        "search_words",
        sa.Column("word", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("word", name=op.f("pk_search_words")),
    )
    for name, table, titles, texts in SEARCHED:
        weighted = (words_of(titles, "A"), words_of(texts, "B"))
        vector = " || ".join(each for each in weighted if each)
        op.create_index(
            name, table, [sa.text(f"({vector})")], postgresql_using="gin", duckdb_index=False
        )


def words_of(columns: list[str], weight: str) -> str:
    """Return the SQL for the words of some columns; nothing of none."""
    if not columns:
        return ""
    parts = f"coalesce({columns[0]}, '')"
    for number, name in enumerate(columns[1:]):
        before = f"({parts})" if number else parts
        parts = f"({before} || ' ') || coalesce({name}, '')"
    plain = f""" "normalize"("left"({parts}, 200000), 'NFKD')""".strip()
    letters = f"regexp_replace({plain}, {ACCENTS}, '', 'g')"
    text = f""" "left"(lower(regexp_replace({letters}, {SIGNS}, ' ', 'g')), 200000)""".strip()
    return f"setweight(to_tsvector('simple', {text}), '{weight}')"
