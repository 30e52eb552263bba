"""Attacks that undo the isolation: with rights, roles, functions, or objects of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, LiteralString

from psycopg import sql
from tests.isolation.attacks_on_rows import REFUSED
from tests.isolation.scene import Scene, reading

from axai_pg.utils.roles import ROLES

if TYPE_CHECKING:
    from collections.abc import Iterator

WEAK: Final = ("axai_app", "axai_audit_reader", "axai_search")
GONE: Final = "22023"
"""The state of an error: somebody has dropped the role in the meantime."""

READ_ONLY: Final = {"audit_log", "audit_seals"}
"""Tables that only functions of the owner write to."""

NEEDED: Final = {
    "andamios_changes": {"SELECT", "INSERT"},
    "andamios_followers": {"SELECT"},
    "andamios_history": set[str](),
}
"""What services need of the feed; of any other table they need everything that is about rows."""

SEARCHED: Final = {f"documents.{name}" for name in ("org_id", "id", "search_vector", "metadata")}
DEFINERS: Final = {
    "axai_audit",
    "axai_note",
    "axai_note_operation",
    "axai_seal_audit",
    "axai_broken_seals",
    "axai_erase_traces",
    "axai_find_documents",
    "axai_documents_with",
}
"""Functions that act with the rights of another role, each of which has been looked at."""

ALTERATIONS: Final[tuple[LiteralString, ...]] = (
    "TRUNCATE {} CASCADE",
    "ALTER TABLE {} DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE {} NO FORCE ROW LEVEL SECURITY",
    "ALTER TABLE {} DISABLE TRIGGER ALL",
    "ALTER TABLE {} OWNER TO CURRENT_USER",
    "ALTER TABLE {} ADD COLUMN opened integer",
    "CREATE POLICY opened ON {} USING (true)",
    "CREATE RULE opened AS ON INSERT TO {} DO ALSO SELECT 1",
    (
        "CREATE TRIGGER opened BEFORE INSERT ON {} FOR EACH ROW"
        " EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()"
    ),
    "CREATE INDEX opened ON {} ((1))",
    "DROP TABLE {} CASCADE",
)
STRANGE: Final[dict[str, LiteralString]] = {
    "SELECT": "SELECT FROM {}",
    "DELETE": "DELETE FROM {}",
    "LOCK": "LOCK TABLE {} IN ACCESS SHARE MODE",
}
MAKING: Final[tuple[LiteralString, ...]] = (
    "CREATE TABLE public.made (id integer)",
    "CREATE TEMPORARY TABLE audit_log (org_id uuid)",
    "CREATE TEMPORARY VIEW made AS SELECT 1",
    "CREATE VIEW public.made AS SELECT 1",
    "CREATE SEQUENCE public.made",
    "CREATE FUNCTION public.made() RETURNS integer LANGUAGE sql RETURN 1",
    "CREATE SCHEMA made",
    "CREATE PUBLICATION made FOR ALL TABLES",
    "CREATE EVENT TRIGGER made ON ddl_command_end EXECUTE FUNCTION public.axai_touch()",
    "CREATE ROLE axai_made",
    "CREATE FOREIGN DATA WRAPPER made",
    "ALTER DEFAULT PRIVILEGES FOR ROLE axai_owner GRANT SELECT ON TABLES TO PUBLIC",
    "SET LOCAL session_replication_role = replica",
    "SET LOCAL log_statement = 'all'",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "COPY (SELECT 1) TO '/tmp/axai'",
    "SELECT pg_read_file('PG_VERSION')",
    "SELECT pg_ls_dir('.')",
    "SELECT pg_stat_reset()",
    "SELECT lo_import('/etc/hostname')",
    "SELECT lo_export(1, '/tmp/axai')",
    "SELECT pg_create_logical_replication_slot('axai_made', 'pgoutput')",
    "SELECT pg_create_physical_replication_slot('axai_made')",
    "SELECT pg_current_logfile()",
    "SELECT pg_reload_conf()",
    "SELECT * FROM pg_authid",
    "SELECT * FROM pg_statistic",
    "SELECT * FROM pg_subscription",
    "SELECT * FROM pg_hba_file_rules",
)
_PRIVILEGES: Final[LiteralString] = """
SELECT relname, coalesce(nullif(pg_get_userbyid(grantee), 'unknown (OID=0)'), 'PUBLIC'),
    privilege_type FROM (
        SELECT relname || CASE relkind WHEN 'S' THEN ' sequence' ELSE '' END AS relname, relowner,
            (aclexplode(relacl)).* FROM pg_class
        WHERE relnamespace = 'public'::regnamespace
        UNION ALL
        SELECT relname || '.' || attname, relowner, (aclexplode(attacl)).* FROM pg_attribute
        JOIN pg_class ON pg_class.oid = attrelid WHERE relnamespace = 'public'::regnamespace
    ) AS granted
WHERE grantee <> relowner
"""
_EXECUTORS: Final[LiteralString] = """
SELECT proname, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee) END
FROM pg_proc AS function, aclexplode(coalesce(proacl, acldefault('f', proowner)))
WHERE pronamespace = 'public'::regnamespace AND grantee <> proowner AND NOT EXISTS (
    SELECT FROM pg_depend WHERE objid = function.oid AND deptype = 'e'
)
"""
_ELSEWHERE: Final[LiteralString] = """
SELECT format('%s of %s', privilege_type, what) FROM (
    SELECT 'schema ' || nspname AS what, nspowner AS owner, (aclexplode(nspacl)).*
    FROM pg_namespace WHERE nspname !~ '^pg_(temp|toast)'
    UNION ALL
    SELECT 'the database', datdba, (aclexplode(coalesce(datacl, acldefault('d', datdba)))).*
    FROM pg_database WHERE datname = current_database()
    UNION ALL
    SELECT 'new objects', defaclrole, (aclexplode(defaclacl)).* FROM pg_default_acl
    UNION ALL
    SELECT 'parameter ' || parname, 10, (aclexplode(paracl)).* FROM pg_parameter_acl
    UNION ALL
    SELECT 'large object', lomowner, (aclexplode(lomacl)).* FROM pg_largeobject_metadata
) AS granted
WHERE grantee <> owner AND privilege_type NOT IN ('USAGE', 'CONNECT')
AND grantee NOT IN ('axai_owner'::regrole, 'axai_migrate'::regrole)
"""


def a_service_alters_tables(scene: Scene) -> Iterator[str]:
    """Whatever is not a change of rows is refused, to those who may nothing as well."""
    with scene.outsider() as outsider:
        for role in (outsider, *WEAK):
            with scene.acting(role, scene.ours.id):
                for relation in scene.tables:
                    for statement in ALTERATIONS:
                        verb = " ".join(statement.split()[:2])
                        tried = scene.attempt(verb, relation, statement)
                        if tried.state != REFUSED:
                            yield f"{verb} {relation.name} as {role}: {tried}"


def a_stranger_reads_or_writes(scene: Scene) -> Iterator[str]:
    """Somebody to whom nothing has been granted, in the context of the attacked."""
    with scene.outsider() as outsider, scene.acting(outsider, scene.theirs.id):
        for relation in scene.relations:
            for verb, statement in STRANGE.items():
                tried = scene.attempt(verb, relation, statement)
                if tried.state != REFUSED:
                    yield f"{verb} of {relation.name}: {tried}"


def more_is_granted_than_needed(scene: Scene) -> Iterator[str]:
    """Each privilege on a table or a column is one that somebody needs."""
    for name, role, privilege in scene.connection.execute(_PRIVILEGES).fetchall():
        if privilege not in _needed(name, role):
            yield f"{role} has {privilege} on {name}"


def _needed(name: str, role: str) -> set[str]:
    everything = {"SELECT", "INSERT", "UPDATE", "DELETE"}
    if name.endswith(" sequence"):  # it counts for all organisations, and tells how much they do
        return set()
    read_only = {"SELECT"} if name in READ_ONLY else set[str]()
    by_role = {
        "axai_app": NEEDED.get(name, set() if name in READ_ONLY else everything),
        "axai_system": read_only or everything,
        "axai_audit_reader": read_only,
        "axai_backup": {"SELECT"},
        "axai_search": {"SELECT"} if name in SEARCHED else set[str](),
    }
    return by_role.get(role, set())


def functions_are_called_by_more_than_need_them(scene: Scene) -> Iterator[str]:
    """Each right to call a function is one that somebody needs."""
    needed = {
        "axai_app": {
            "axai_uuid7",
            "axai_note",
            "axai_text_search",
            "axai_find_documents",
            "axai_documents_with",
        },
        "axai_audit_reader": {"axai_broken_seals"},
    }
    needed["axai_system"] = {
        *needed["axai_app"],
        "axai_note_operation",
        "axai_seal_audit",
        "axai_broken_seals",
        "axai_erase_traces",
    }
    for name, role in scene.connection.execute(_EXECUTORS).fetchall():
        if name not in needed.get(role, set()):
            yield f"{role} calls {name}"


def more_is_granted_elsewhere(scene: Scene) -> Iterator[str]:
    """On schemas, the database, what is made later, parameters and large objects."""
    yield from (found for (found,) in scene.connection.execute(_ELSEWHERE).fetchall())
    if scene.connection.execute("SELECT FROM pg_publication").fetchall():
        yield "a publication sends rows of all organisations"


def a_service_makes_objects(scene: Scene) -> Iterator[str]:
    """Tables, functions, slots, publications, files: nothing that could get in the way."""
    for role in WEAK:
        with scene.acting(role, scene.ours.id):
            for statement in MAKING:
                tried = scene.run(statement)
                if tried.state != REFUSED:
                    yield f"{statement} as {role}: {tried}"


def a_service_becomes_somebody_else(scene: Scene) -> Iterator[str]:
    """``SET ROLE`` to each role of the cluster, those of PostgreSQL included."""
    roles = [name for (name,) in scene.connection.execute("SELECT rolname FROM pg_roles")]
    for role in (*WEAK, "axai_backup", "axai_system"):
        with scene.acting(role, scene.ours.id):
            for other in set(roles) - {role}:
                tried = scene.run(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(other)))
                if tried.state not in {REFUSED, GONE}:
                    yield f"{role} becomes {other}: {tried}"


def roles_are_more_powerful_than_intended(scene: Scene) -> Iterator[str]:
    """Who is exempt from row security is known, and nobody is a superuser or makes roles."""
    found = scene.connection.execute(
        "SELECT rolname, rolbypassrls,"
        " rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication FROM pg_roles"
    ).fetchall()
    powers = {name: (bypasses, powerful) for name, bypasses, powerful in found}
    for name, bypasses in ROLES.items():
        if powers.get(name) != (bypasses, False):
            yield f"{name}: {powers.get(name)}"


def row_security_is_turned_off(scene: Scene) -> Iterator[str]:
    """With ``row_security = off`` a table is an error, whatever is granted."""
    for setting in ("SET LOCAL row_security = off", "SELECT set_config('row_security','off',true)"):
        with scene.attacker("axai_app", opened=True):
            scene.connection.execute(setting)
            for relation in scene.tables:
                tried = scene.attempt("SELECT with row_security = off", relation, "SELECT FROM {}")
                if tried.state != REFUSED:
                    yield f"{relation.name}: {tried}"


def a_function_of_another_role_is_misled(scene: Scene) -> Iterator[str]:
    """A function with the rights of another role looks for names where nobody else can write.

    That role is no superuser, and no function is unknown here: each is a way around the
    policies that has to be read.
    """
    found = scene.connection.execute(
        "SELECT proname, rolsuper, coalesce(("
        " SELECT substr(setting, 13) FROM unnest(proconfig) AS setting"
        " WHERE setting LIKE 'search_path=%'), '')"
        " FROM pg_proc JOIN pg_roles ON pg_roles.oid = proowner"
        " WHERE pronamespace = 'public'::regnamespace AND prosecdef"
    ).fetchall()
    for name, superuser, path in found:
        if superuser or path != "public, pg_temp":
            yield f"{name} looks in {path!r}{' as a superuser' if superuser else ''}"
    if names := {name for name, *_ in found} ^ DEFINERS:
        yield f"made or gone: {names}"


def a_view_shows_what_its_owner_sees(scene: Scene) -> Iterator[str]:
    """Views of the schema act for whoever asks; no materialised or foreign table is there."""
    for name, kind, options in scene.connection.execute(
        "SELECT relname, relkind::text, reloptions FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm', 'f')"
    ).fetchall():
        if kind != "v" or "security_invoker=true" not in (options or []):
            yield f"{name} ({kind}) {options}"


def a_grant_is_passed_on(scene: Scene) -> Iterator[str]:
    """A service grants to nobody what it has itself."""
    with scene.acting("axai_app", scene.ours.id):
        for relation in scene.tables:
            with scene.connection.transaction(force_rollback=True):
                if scene.attempt("GRANT", relation, "GRANT SELECT ON {} TO PUBLIC").state:
                    continue
                grant = sql.SQL("GRANT SELECT ON {} TO PUBLIC").format(relation.path)
                scene.connection.execute(grant)
                if scene.connection.execute(
                    "SELECT FROM pg_class, aclexplode(relacl)"
                    " WHERE pg_class.oid = %s AND grantee = 0",
                    [relation.oid],
                ).fetchall():
                    yield relation.name


def documents_of_others_are_found(scene: Scene) -> Iterator[str]:
    """The functions that go around the policies for the sake of an index show own keys only."""
    scene.connection.execute(
        "UPDATE public.documents SET title = 'canary', metadata = '{\"canary\": 1}'"
    )
    for query in (
        "SELECT id FROM public.axai_find_documents(to_tsquery('english', 'canary'))",
        "SELECT * FROM public.axai_documents_with('{\"canary\": 1}')",
    ):
        for context, wanted in ((scene.ours.id, 1), (None, 0)):
            with scene.acting("axai_app", context):
                found = scene.run(sql.SQL(query))
            if len(found.rows) != wanted or reading(found, scene.theirs):
                yield f"{query} in {context}: {found}"


ATTACKS: Final = (
    more_is_granted_than_needed,
    more_is_granted_elsewhere,
    functions_are_called_by_more_than_need_them,
    roles_are_more_powerful_than_intended,
    a_function_of_another_role_is_misled,
    a_view_shows_what_its_owner_sees,
    a_stranger_reads_or_writes,
    a_service_alters_tables,
    a_service_makes_objects,
    a_service_becomes_somebody_else,
    row_security_is_turned_off,
    a_grant_is_passed_on,
    documents_of_others_are_found,
)
