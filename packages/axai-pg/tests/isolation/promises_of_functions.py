"""What functions and triggers of the schema do, also where somebody stands in their way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, LiteralString

from psycopg import sql
from tests.isolation.promises import (
    model_tables,
    relation_of,
    rows_are_inserted_without_keys,
)
from tests.isolation.promises_of_audit import PROMISES as AUDITING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.isolation.scene import Scene

LANGUAGES: Final = {
    "ar": "arabic", "da": "danish", "de": "german", "en": "english", "es": "spanish",
    "fi": "finnish", "fr": "french", "hu": "hungarian", "it": "italian", "nl": "dutch",
    "no": "norwegian", "pt": "portuguese", "ro": "romanian", "ru": "russian",
    "sv": "swedish", "tr": "turkish", "": "simple",
}  # fmt: skip


def one(scene: Scene, query: LiteralString, *values: Any) -> Any:
    """Return the one value that a query gives."""
    [(value,)] = scene.connection.execute(query, values).fetchall()
    return value


def changes_are_dated(scene: Scene) -> Iterator[str]:
    """An UPDATE moves ``updated_at``, unless it says itself to when."""
    scene.connection.execute("SET LOCAL session_replication_role = replica")
    tables = [table for table in model_tables() if "updated_at" in table.columns]
    for table in tables:
        path = relation_of(scene, table.name).path
        scene.connection.execute(sql.SQL("UPDATE {} SET updated_at = '2001-01-01Z'").format(path))
    scene.connection.execute("SET LOCAL session_replication_role = origin")
    with scene.acting("axai_app", scene.ours.id):
        for table in tables:
            path = relation_of(scene, table.name).path
            for assigned, wanted in (
                (sql.SQL("created_at = created_at"), False),
                (sql.SQL("updated_at = '2002-01-01Z'"), True),
            ):
                query = "UPDATE {} SET {} RETURNING updated_at = '2002-01-01Z', updated_at > %s"
                tried = scene.run(sql.SQL(query).format(path, assigned), "2001-06-01Z")
                if tried.rows != [(wanted, True)]:
                    yield f"{table.name}: {tried}"


def trees_stay_trees(scene: Scene) -> Iterator[str]:
    """What would be above itself is refused, directly or through another one."""
    with scene.acting("axai_app", scene.ours.id):
        top = one(scene, "INSERT INTO public.topics (name) VALUES ('top') RETURNING id")
        below = one(
            scene,
            "INSERT INTO public.topics (name, parent_topic_id) VALUES ('x', %s) RETURNING id",
            top,
        )
        for name, column, above in (
            ("topics", "parent_topic_id", below),
            ("topics", "parent_topic_id", top),
            ("collections", "parent_id", scene.ours.keys["collections"]),
        ):
            query = sql.SQL("UPDATE {} SET {} = %s WHERE id = %s").format(
                sql.Identifier("public", name), sql.Identifier(column)
            )
            tried = scene.run(query, above, top if name == "topics" else above)
            if tried.state != "23514":
                yield f"{name} under {above}: {tried}"


def documents_keep_what_they_were(scene: Scene) -> Iterator[str]:
    """A change counts, names who made it and nobody else, and leaves the version before it."""
    user = scene.ours.keys["users"]
    other = one(
        scene,
        "INSERT INTO public.users (org_id, username, email) VALUES (%s, 'other', 'o@example.org')"
        " RETURNING id",
        scene.ours.id,
    )
    document = scene.ours.keys["documents"]
    with scene.acting("axai_app", scene.ours.id, user):
        [before] = scene.connection.execute(
            "SELECT title, version FROM public.documents WHERE id = %s", [document]
        ).fetchall()
        changed = scene.connection.execute(
            "UPDATE public.documents SET title = 'changed', changed_by_id = %s WHERE id = %s"
            " RETURNING version, changed_by_id",
            [other, document],
        ).fetchall()
        if changed != [(before[1] + 1, user)]:
            yield f"the change is {changed}"
        kept = scene.connection.execute(
            "SELECT title, changed_columns FROM public.document_versions"
            " WHERE document_id = %s AND version = %s",
            [document, before[1]],
        ).fetchall()
        if kept != [(before[0], ["title"])]:
            yield f"the version is {kept}"
        made = one(
            scene,
            "INSERT INTO public.documents (owner_id, title, changed_by_id) VALUES (%s, 'x', %s)"
            " RETURNING changed_by_id",
            user,
            other,
        )
        if made != user:
            yield f"made by {made}"
        by = one(
            scene,
            "UPDATE public.documents SET source = 'x', changed_by_id = %s WHERE id = %s"
            " RETURNING changed_by_id",
            other,
            document,
        )
        if by != user:
            yield f"a change that is no version is by {by}"


def documents_are_found(scene: Scene) -> Iterator[str]:
    """By words and by what their metadata has."""
    scene.connection.execute(
        "UPDATE public.documents SET title = 'The canaries', metadata = '{\"canary\": 1}'"
    )
    for query in (
        "SELECT id FROM public.axai_find_documents(to_tsquery('english', 'canary')) WHERE rank > 0",
        "SELECT * FROM public.axai_documents_with('{\"canary\": 1}')",
    ):
        for role in ("axai_app", "axai_system"):
            with scene.acting(role, scene.ours.id):
                found = scene.run(sql.SQL(query))
            if found.rows != [(scene.ours.keys["documents"],)]:
                yield f"{query} as {role}: {found}"


def words_are_of_a_language(scene: Scene) -> Iterator[str]:
    """Each code has its dictionary, any other the simple one; keys are made in order."""
    for role in ("axai_app", "axai_system"):
        with scene.acting(role, scene.ours.id):
            for code, name in LANGUAGES.items():
                found = scene.run("SELECT public.axai_text_search(%s)::text", code)
                if found.rows != [(name,)]:
                    yield f"{code} as {role}: {found}"
            keys = scene.run("SELECT public.axai_uuid7()")
            if keys.state or keys.rows[0][0].version != 7:
                yield f"a key as {role}: {keys}"


def the_feed_knows_whose_a_change_is(scene: Scene) -> Iterator[str]:
    """A change that a service leaves has its organisation, and a position of its own."""
    query: LiteralString = (
        "INSERT INTO public.andamios_changes (position, time, entity, kind, count) VALUES"
        " (pg_current_xact_id()::text::bigint << 20, now(), 'x', 'create', 1) RETURNING tenant"
    )
    with scene.acting("axai_app", scene.ours.id):
        if (tried := scene.run(query)).rows != [(str(scene.ours.id),)]:
            yield f"{tried}"
        taken = scene.run(sql.SQL(query.replace("pg_current_xact_id()::text::bigint << 20", "7")))
        if taken.state != "42501":
            yield f"a position of others: {taken}"
    scene.connection.execute(
        "INSERT INTO public.andamios_followers VALUES ('andamios:base', 5, now())"
    )
    with scene.acting("axai_app", scene.ours.id):
        names = scene.run("SELECT name FROM public.andamios_followers").rows
        if names != [("andamios:base",)]:
            yield f"followers: {names}"
        if (tried := scene.run(query)).state != "42501":
            yield f"positions begin behind the base: {tried}"


def a_new_table_is_isolated(scene: Scene) -> Iterator[str]:
    """``axai_isolate`` does, and ``axai_verify_isolated`` misses what is undone."""
    with scene.acting("axai_owner"):
        scene.connection.execute(
            "CREATE TABLE public.made (org_id uuid NOT NULL, id uuid NOT NULL,"
            " updated_at timestamptz, PRIMARY KEY (org_id, id))"
        )
        made = scene.run("CALL public.axai_isolate('made')")
        if made.state:
            yield f"axai_isolate: {made}"
            return
        scene.connection.execute("CALL public.axai_isolate('made')")
        if (tried := scene.run("CALL public.axai_verify_isolated('made')")).state:
            yield f"what axai_isolate leaves is not isolated: {tried}"
        for statement in (
            "ALTER TABLE public.made NO FORCE ROW LEVEL SECURITY",
            "ALTER POLICY axai_tenant ON public.made USING (true)",
            "CREATE POLICY opened ON public.made USING (true)",
            "GRANT SELECT ON public.made TO PUBLIC",
            "REVOKE DELETE ON public.made FROM axai_app",
            "ALTER TABLE public.made DISABLE TRIGGER audit",
        ):
            with scene.connection.transaction(force_rollback=True):
                scene.connection.execute(sql.SQL(statement))
                if not scene.run("CALL public.axai_verify_isolated('made')").state:
                    yield f"not missed: {statement}"


UNSHADOWED: Final = (
    rows_are_inserted_without_keys,
    *AUDITING,
    changes_are_dated,
    trees_stay_trees,
    documents_keep_what_they_were,
    documents_are_found,
    words_are_of_a_language,
    the_feed_knows_whose_a_change_is,
    a_new_table_is_isolated,
)


def promises_hold_behind_temporary_tables(scene: Scene) -> Iterator[str]:
    """Functions find their tables, though an empty one of the same name comes first."""
    with scene.shadowed():
        for promise in UNSHADOWED:
            with scene.connection.transaction(force_rollback=True):
                yield from (f"{promise.__name__}: {found}" for found in promise(scene))


PROMISES: Final = (*UNSHADOWED[1:], promises_hold_behind_temporary_tables)
