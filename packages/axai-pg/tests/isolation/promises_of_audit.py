"""What is audited, sealed and pruned, whoever changes rows."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final, LiteralString

from psycopg import sql
from psycopg.types.json import Jsonb
from tests.isolation.attacks_on_rights import READ_ONLY
from tests.isolation.promises import model_tables, relation_of
from tests.isolation.scene import Relation, Scene, insertion

if TYPE_CHECKING:
    from collections.abc import Iterator

REWRITES: Final[dict[str, LiteralString]] = {
    "UPDATE": "UPDATE {} SET org_id = org_id",
    "DELETE": "DELETE FROM {}",
    "TRUNCATE": "TRUNCATE {}",
}
NIL: Final = uuid.UUID(int=0)


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


def sealed_entries_are_pruned(scene: Scene) -> Iterator[str]:
    """The owner deletes what a seal covers; the seal stays, and the log says who did it."""
    _seal(scene)
    with scene.acting("axai_owner", scene.ours.id):
        pruned = scene.run("SELECT public.axai_prune_audit(clock_timestamp())")
        if pruned.state or pruned.rows[0][0] < 1:
            yield f"pruned: {pruned}"
            return
        scene.connection.execute("SELECT public.axai_prune_audit(clock_timestamp())")
        scene.become()
        left = scene.connection.execute(
            "SELECT action FROM public.audit_log WHERE org_id = %s", [scene.ours.id]
        ).fetchall()
        if left != [("prune",)]:
            yield f"left: {left}"
        scene.become("axai_system")
        if (found := scene.run("SELECT public.axai_broken_seals()")).state or found.rows:
            yield f"broken by pruning: {found}"
    with scene.acting("axai_owner"):
        tried = scene.run("SELECT public.axai_prune_audit(clock_timestamp())")
        if tried.state != "42501":
            yield f"pruned without an organisation: {tried}"


def an_erased_user_leaves_no_trace(scene: Scene) -> Iterator[str]:
    """Details with the name or the address go, and who acted; seals hold, and the log says so."""
    ours, user = scene.ours, scene.ours.keys["users"]
    scene.connection.execute(
        "UPDATE public.users SET username = 'Dot.', email = 'Dot@example.org' WHERE id = %s", [user]
    )
    scene.connection.execute("UPDATE public.andamios_changes SET actor = 'dot@example.org'")
    for said in ("to Dot. by mail", "DOT@example.org", "dotted"):
        scene.connection.execute(
            "INSERT INTO public.audit_log (org_id, action, details) VALUES (%s, 'told', %s)",
            [ours.id, Jsonb({"said": [said]})],
        )
    _seal(scene)
    for role, context in (("axai_app", ours.id), ("axai_system", None)):
        with scene.acting(role, context):
            scene.connection.execute(
                "UPDATE public.users SET erased_at = now(), username = 'erased-' || md5('x'),"
                " email = 'erased-' || md5('x') || '@erased.invalid', hashed_password = NULL,"
                " is_active = false, is_admin = false, is_email_verified = false WHERE id = %s",
                [user],
            )
            left = scene.run("SELECT current_setting('axai.org_id')").rows
            if left != [(str(context or ""),)]:
                yield f"the context of {role} is {left}"
            scene.become()
            yield from _traces(scene)
            scene.connection.execute("SELECT set_config('axai.org_id', %s, true)", [str(ours.id)])
            scene.become("axai_system")
            if (found := scene.run("SELECT public.axai_broken_seals()")).state or found.rows:
                yield f"broken by an erasure as {role}: {found}"


def _traces(scene: Scene) -> Iterator[str]:
    """Yield what is left that should have gone, or has gone that should be there."""
    told = scene.connection.execute(
        "SELECT details #>> '{said,0}', details_salt IS NULL FROM public.audit_log"
        " WHERE action = 'told' ORDER BY 1 NULLS LAST"
    ).fetchall()
    if told != [("dotted", False), (None, True), (None, True)]:
        yield f"what was told is {told}"
    actors = scene.connection.execute(
        "SELECT tenant FROM public.andamios_changes WHERE actor IS NULL"
    ).fetchall()
    if {tenant for (tenant,) in actors} != {str(scene.ours.id)}:
        yield f"nobody is left as the actor of {actors}"
    said = scene.connection.execute(
        "SELECT org_id, jsonb_array_length(details -> 'entries') FROM public.audit_log"
        " WHERE action = 'erase' AND table_name = 'audit_log'"
    ).fetchall()
    if said != [(scene.ours.id, 2)]:
        yield f"the log says {said}"


def the_owner_only_empties_details(scene: Scene) -> Iterator[str]:
    """No function of the owner puts anything else into an entry, or into the feed."""
    scene.connection.execute("UPDATE public.andamios_changes SET actor = 'dot'")
    scene.connection.execute(
        "INSERT INTO public.andamios_changes (position, time, entity, kind, count, tenant)"
        " VALUES (7, now(), 'x', 'x', 1, %s)",
        [str(scene.ours.id)],
    )
    scene.connection.execute(
        "INSERT INTO public.audit_log (org_id, action, details) VALUES (%s, 'told', '{}')",
        [scene.ours.id],
    )
    statements: tuple[LiteralString, ...] = (
        "UPDATE public.audit_log SET details = '[]' WHERE action = 'told'",
        "UPDATE public.audit_log SET details = NULL WHERE action = 'told'",
        "UPDATE public.audit_log SET details = NULL, details_salt = NULL, login = 'eve'",
        "UPDATE public.andamios_changes SET actor = 'eve'",
    )
    with scene.acting("axai_owner", scene.ours.id):
        for statement in statements:
            if (tried := scene.run(statement)).state != "42501":
                yield f"{statement}: {tried}"
        for empty in (
            "UPDATE public.audit_log SET login = 'eve' WHERE details IS NULL",
            "UPDATE public.andamios_changes SET kind = 'eve', actor = NULL WHERE actor IS NULL",
        ):
            if (tried := scene.run(empty)).state or tried.count:
                yield f"{empty}: {tried}"


def _seal(scene: Scene) -> None:
    """Seal what there is of ours, once, as if all of it had happened long ago."""
    scene.connection.execute("SET LOCAL session_replication_role = replica")
    scene.connection.execute("DELETE FROM public.audit_seals")
    scene.connection.execute("UPDATE public.audit_log SET transaction_id = 3")
    scene.connection.execute("SET LOCAL session_replication_role = origin")
    scene.become("axai_system")
    scene.connection.execute("SELECT set_config('axai.org_id', %s, true)", [str(scene.ours.id)])
    scene.connection.execute("SELECT public.axai_seal_audit()")
    scene.become()


PROMISES: Final = (
    each_change_is_audited,
    what_is_audited_stays,
    notes_are_taken,
    seals_find_what_was_changed,
    sealed_entries_are_pruned,
    an_erased_user_leaves_no_trace,
    the_owner_only_empties_details,
)
