"""What functions and triggers of the schema do, also where somebody stands in their way."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final, LiteralString

from psycopg import sql
from psycopg.types.json import Jsonb
from tests.isolation.attacks_on_rights import READ_ONLY
from tests.isolation.promises import (
    model_tables,
    relation_of,
    rows_are_inserted_without_keys,
)
from tests.isolation.scene import Relation, Scene, insertion

if TYPE_CHECKING:
    from collections.abc import Iterator

LANGUAGES: Final = {
    "ar": "arabic", "da": "danish", "de": "german", "en": "english", "es": "spanish",
    "fi": "finnish", "fr": "french", "hu": "hungarian", "it": "italian", "nl": "dutch",
    "no": "norwegian", "pt": "portuguese", "ro": "romanian", "ru": "russian",
    "sv": "swedish", "tr": "turkish", "": "simple",
}  # fmt: skip
REWRITES: Final[dict[str, LiteralString]] = {
    "UPDATE": "UPDATE {} SET org_id = org_id",
    "DELETE": "DELETE FROM {}",
    "TRUNCATE": "TRUNCATE {}",
}
NIL: Final = uuid.UUID(int=0)


def one(scene: Scene, query: LiteralString, *values: Any) -> Any:
    """Return the one value that a query gives."""
    [(value,)] = scene.connection.execute(query, values).fetchall()
    return value


def each_change_is_audited(scene: Scene) -> Iterator[str]:
    """INSERT, UPDATE and DELETE leave an entry: whose, who, what, which row."""
    actor = scene.ours.keys["users"]
    tables = [relation_of(scene, table.name) for table in model_tables()]
    audited = [each for each in tables if each.name not in READ_ONLY]
    for relation in audited:
        row = scene.row(relation, scene.ours)
        with (
            scene.without_our_rows(relation),
            scene.acting("axai_system", scene.ours.id, actor),
        ):
            scene.connection.execute(insertion(relation, row), [Jsonb(row)])
            yield from _not_audited(scene, "insert", [relation])
    with scene.acting("axai_system", scene.ours.id, actor):
        for relation in audited:
            statement = sql.SQL("UPDATE {0} SET {1} = {1} WHERE {1} = %s")
            own = sql.Identifier(relation.tenant or "org_id")
            scene.connection.execute(statement.format(relation.path, own), [scene.ours.id])
        yield from _not_audited(scene, "update", audited)
    with scene.acting("axai_system", scene.ours.id, actor):
        scene.connection.execute("DELETE FROM public.organizations WHERE id = %s", [scene.ours.id])
        yield from _not_audited(scene, "delete", audited)


def _not_audited(scene: Scene, verb: str, relations: list[Relation]) -> Iterator[str]:
    """Yield of which of our rows there is no entry of this transaction."""
    scene.become()
    found = scene.connection.execute(
        "SELECT table_name, row_id, org_id, actor_id FROM public.audit_log"
        " WHERE transaction_id = pg_current_xact_id()::text::bigint AND action = %s",
        [verb],
    ).fetchall()
    for relation in relations:
        ours = (scene.ours.id, scene.ours.keys["users"])
        if (relation.name, scene.ours.keys[relation.name], *ours) not in found:
            yield f"{verb} of {relation.name}: {[each for each in found if relation.name in each]}"


def what_is_audited_stays(scene: Scene) -> Iterator[str]:
    """UPDATE, DELETE and TRUNCATE are refused to whoever is not the owner, whatever is granted."""
    with scene.opened():
        for name in sorted(READ_ONLY):
            relation = relation_of(scene, name)
            for role in ("axai_system", "axai_app"):
                with scene.acting(role, scene.ours.id):
                    for verb, statement in REWRITES.items():
                        tried = scene.attempt(verb, relation, statement)
                        if tried.state != "42501" or "append-only" not in tried.said:
                            yield f"{verb} of {name} as {role}: {tried}"


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
    """A change counts, names who made it, and leaves the version before it."""
    user = scene.ours.keys["users"]
    document = scene.ours.keys["documents"]
    with scene.acting("axai_app", scene.ours.id, user):
        [before] = scene.connection.execute(
            "SELECT title, version FROM public.documents WHERE id = %s", [document]
        ).fetchall()
        changed = scene.connection.execute(
            "UPDATE public.documents SET title = 'changed' WHERE id = %s"
            " RETURNING version, changed_by_id",
            [document],
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
            "INSERT INTO public.documents (owner_id, title) VALUES (%s, 'x')"
            " RETURNING changed_by_id",
            user,
        )
        if made != user:
            yield f"made by {made}"


def notes_are_taken(scene: Scene) -> Iterator[str]:
    """``axai_note`` files under the context, ``axai_note_operation`` also without one."""
    user = scene.ours.keys["users"]
    for role, call, context, filed in (
        ("axai_app", "SELECT public.axai_note('noted')", scene.ours.id, scene.ours.id),
        ("axai_system", "SELECT public.axai_note('noted')", scene.ours.id, scene.ours.id),
        ("axai_system", "SELECT public.axai_note_operation('noted')", None, NIL),
    ):
        with scene.acting(role, context, user):
            tried = scene.run(sql.SQL(call))
            if tried.state is None:
                scene.connection.execute(sql.SQL(call))
            scene.become()
            found = scene.connection.execute(
                "SELECT org_id, actor_id FROM public.audit_log WHERE action = 'noted'"
            ).fetchall()
        if found != [(filed, user)]:
            yield f"{call} as {role}: {found} {tried}"
    with scene.acting("axai_app"):
        if (tried := scene.run("SELECT public.axai_note('noted')")).state != "42501":
            yield f"noted without an organisation: {tried}"


def seals_find_what_was_changed(scene: Scene) -> Iterator[str]:
    """The seal of what is there holds until a row is changed or a seal is gone."""
    scene.connection.execute("SET LOCAL session_replication_role = replica")
    scene.connection.execute("DELETE FROM public.audit_seals")
    scene.connection.execute("UPDATE public.audit_log SET transaction_id = 3")
    scene.connection.execute("SET LOCAL session_replication_role = origin")
    broken: LiteralString = "SELECT public.axai_broken_seals()"
    with scene.acting("axai_system", scene.ours.id):
        sealed = scene.run("SELECT public.axai_seal_audit()")
        if sealed.state or sealed.rows[0][0] is None or sealed.rows[0][0] < 1:
            yield f"sealed: {sealed}"
            return
        scene.connection.execute("SELECT public.axai_seal_audit()")
        for role in ("axai_system", "axai_audit_reader"):
            scene.become(role)
            if (found := scene.run(broken)).state or found.rows:
                yield f"broken from the start as {role}: {found}"
        scene.become()
        scene.connection.execute("SET LOCAL session_replication_role = replica")
        scene.connection.execute("UPDATE public.audit_log SET login = 'somebody'")
        scene.connection.execute("SET LOCAL session_replication_role = origin")
        scene.become("axai_system")
        if (found := scene.run(broken)).rows != [(1,)]:
            yield f"a change is not found: {found}"
    with scene.acting("axai_system"):
        if (tried := scene.run("SELECT public.axai_seal_audit()")).state != "42501":
            yield f"sealed without an organisation: {tried}"


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
    each_change_is_audited,
    what_is_audited_stays,
    changes_are_dated,
    trees_stay_trees,
    documents_keep_what_they_were,
    notes_are_taken,
    seals_find_what_was_changed,
    documents_are_found,
    words_are_of_a_language,
    the_feed_knows_whose_a_change_is,
    a_new_table_is_isolated,
)


def promises_hold_behind_temporary_tables(scene: Scene) -> Iterator[str]:
    """Functions find their tables, though an empty one of the same name comes first."""
    with scene.shadowed():
        for promise in UNSHADOWED:
            yield from (f"{promise.__name__}: {found}" for found in promise(scene))


PROMISES: Final = (*UNSHADOWED[1:], promises_hold_behind_temporary_tables)
