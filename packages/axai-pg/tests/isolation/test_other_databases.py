"""The inspection of a schema that is not ours, with names that have to be quoted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from axai_pg.isolation import Hole, IsolationRules, holes_as_table, inspect_isolation
from axai_pg.isolation.roles import outdated

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

pytestmark = [pytest.mark.integration, pytest.mark.db]

RULES = IsolationRules(
    schema="Other Shop",
    tenant_column="Tenant No",
    setting="shop.tenant",
    policy="of the tenant",
    services=("axai_app",),
    tenant_columns={},
    shared_tables=frozenset({"Country"}),
    shared_keys=frozenset({"Counter"}),
    reviewed_functions=frozenset(
        {
            '"Reviewed"()',
            "public.axai_find_documents(tsquery)",
            "public.axai_documents_with(jsonb)",
        }
    ),
)
CONTEXT = "(SELECT nullif(current_setting('shop.tenant', true), '')::integer)"
SECURE = """
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
CREATE POLICY "anybody's" ON {table} USING (true);
ALTER TABLE {table} OWNER TO axai_owner;
GRANT SELECT ON {table} TO axai_app;
"""
ORDERS = '"Other Shop"."Sales Order"'
LINES = '"Other Shop"."Order Line"'
FOUNDATION = f"""
CREATE SCHEMA "Other Shop";
GRANT CREATE ON SCHEMA "Other Shop" TO axai_owner;
SET LOCAL search_path = "Other Shop";
CREATE TABLE {ORDERS} (
    "Tenant No" integer NOT NULL, "Order Id" integer NOT NULL,
    PRIMARY KEY ("Tenant No", "Order Id")
);
CREATE TABLE {LINES} ("Tenant No" integer NOT NULL, "Id" integer NOT NULL, "Order Id" integer);
{SECURE.format(table=ORDERS)}
{SECURE.format(table=LINES)}
CREATE POLICY "of the tenant" ON {ORDERS} AS RESTRICTIVE USING ("Tenant No" = {CONTEXT});
CREATE POLICY lines ON {LINES} AS RESTRICTIVE USING ("Tenant No" = {CONTEXT});
"""
TABLE = """
CREATE TABLE "Other Shop"."Country" ({columns});
{secure}
"""


def opened(columns: str, secure: str = SECURE) -> str:
    return TABLE.format(columns=columns, secure=secure.format(table='"Other Shop"."Country"'))


EXEMPT = """
CREATE FUNCTION "Around"() RETURNS integer LANGUAGE sql SECURITY DEFINER RETURN 1;
GRANT CREATE ON SCHEMA "Other Shop" TO axai_system;
ALTER FUNCTION "Around" OWNER TO axai_system;
"""
REVIEWED = """
CREATE FUNCTION "Reviewed"() RETURNS integer LANGUAGE sql SECURITY DEFINER
    SET search_path = "Other Shop", pg_temp RETURN 1;
REVOKE ALL ON FUNCTION "Reviewed" FROM PUBLIC;
GRANT CREATE ON SCHEMA "Other Shop" TO axai_system;
ALTER FUNCTION "Reviewed" OWNER TO axai_system;
REVOKE CREATE ON SCHEMA "Other Shop" FROM axai_system;
"""
REVIEWED_OTHERWISE = """
CREATE FUNCTION "Reviewed"(integer) RETURNS integer LANGUAGE sql SECURITY DEFINER
    SET search_path = "Other Shop", pg_temp RETURN 1;
REVOKE ALL ON FUNCTION "Reviewed" FROM PUBLIC;
GRANT CREATE ON SCHEMA "Other Shop" TO axai_system;
ALTER FUNCTION "Reviewed" OWNER TO axai_system;
REVOKE CREATE ON SCHEMA "Other Shop" FROM axai_system;
"""
MISLED = """
CREATE FUNCTION "Misled"(integer) RETURNS integer LANGUAGE sql SECURITY DEFINER
    SET search_path = pg_temp, "Other Shop" RETURN 1;
ALTER FUNCTION "Misled" OWNER TO axai_owner;
"""
SEVERAL_ORDERS = f"""
ALTER TABLE {ORDERS} ADD CONSTRAINT one UNIQUE ("Order Id");
ALTER TABLE {LINES} ADD CONSTRAINT "leads to" FOREIGN KEY ("Order Id")
    REFERENCES {ORDERS} ("Order Id") ON UPDATE CASCADE ON DELETE SET NULL;
"""
CODES = f"""
ALTER TABLE {ORDERS} ADD COLUMN "Code" integer UNIQUE;
ALTER TABLE {LINES} ADD CONSTRAINT "leads to" FOREIGN KEY ("Order Id")
    REFERENCES {ORDERS} ("Code") ON DELETE SET DEFAULT;
"""
BACKWARDS = f"""
ALTER TABLE {LINES} ADD CONSTRAINT "by id"
    UNIQUE NULLS NOT DISTINCT ("Id", "Tenant No") DEFERRABLE;
"""
APPENDS = f"""
CREATE POLICY appends ON {ORDERS} FOR INSERT TO axai_owner WITH CHECK (true);
ALTER POLICY "of the tenant" ON {ORDERS} WITH CHECK (true);
"""
ELSEWHERE = f"""
ALTER POLICY "of the tenant" ON {ORDERS}
    USING ("Tenant No" = current_setting('role', true)::integer);
"""
WAY_OUT = f"""
ALTER POLICY "of the tenant" ON {ORDERS} USING ("Tenant No" = {CONTEXT} OR true);
"""
KEPT = f"""
CREATE MATERIALIZED VIEW "Kept" AS SELECT * FROM {ORDERS};
GRANT SELECT ON "Kept" TO axai_app, PUBLIC;
"""
PARTITIONED = f"""
CREATE TABLE "Whole" ("Tenant No" integer NOT NULL) PARTITION BY LIST ("Tenant No");
{SECURE.format(table='"Whole"')}
CREATE POLICY whole ON "Whole" AS RESTRICTIVE USING ("Tenant No" = {CONTEXT});
CREATE TABLE "Part" PARTITION OF "Whole" DEFAULT;
ALTER TABLE "Part" OWNER TO axai_owner;
GRANT SELECT ON "Part" TO axai_app;
"""
REPORTS = 'CREATE SCHEMA "My Reports"; GRANT USAGE ON SCHEMA "My Reports" TO axai_app;'
REPORT = f"""
{REPORTS}
CREATE VIEW "My Reports".seen AS SELECT * FROM {ORDERS};
GRANT SELECT ON "My Reports".seen TO axai_app;
"""
KEPT_REPORT = f"""
{REPORTS}
CREATE VIEW asks WITH (security_invoker = on) AS SELECT * FROM {ORDERS};
CREATE MATERIALIZED VIEW "My Reports".kept AS SELECT * FROM asks;
GRANT SELECT ON "My Reports".kept TO axai_app;
"""
PART_ELSEWHERE = PARTITIONED.replace('"Part"', '"My Reports".part')
CALLED_ELSEWHERE = f"""
{REPORTS}
CREATE FUNCTION "My Reports".called() RETURNS integer LANGUAGE sql SECURITY DEFINER RETURN 1;
"""
SERVICE_ELSEWHERE = f'{REPORT} ALTER VIEW "My Reports".seen OWNER TO axai_app;'
OF_OTHERS = f"""
{REPORTS}
CREATE TABLE "My Reports".weather (degrees integer);
CREATE VIEW "My Reports".warm AS SELECT * FROM "My Reports".weather WHERE degrees > 20;
GRANT SELECT ON "My Reports".weather, "My Reports".warm TO axai_app;
CREATE FUNCTION "My Reports".never() RETURNS integer LANGUAGE sql SECURITY DEFINER RETURN 1;
REVOKE ALL ON FUNCTION "My Reports".never FROM PUBLIC;
"""
LARGE_OBJECTS = """
ALTER DEFAULT PRIVILEGES FOR ROLE axai_owner GRANT SELECT ON LARGE OBJECTS TO axai_app;
"""
NEW_TABLES = """
ALTER DEFAULT PRIVILEGES IN SCHEMA "Other Shop" GRANT SELECT ON TABLES TO axai_app;
"""
NEW_FUNCTIONS = """
ALTER DEFAULT PRIVILEGES FOR ROLE axai_owner GRANT EXECUTE ON FUNCTIONS TO axai_app;
"""
BECOMES_OWNER = """
CREATE ROLE "andamios test" IN ROLE axai_app;
GRANT axai_migrate TO "andamios test";
"""
TEMPORARY = """
DO $$ BEGIN
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO axai_app', current_database());
END $$;
"""
COUNTRY = opened("id integer")
PRIVATE = """
CREATE TABLE "Private" (id integer);
ALTER TABLE "Private" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY, OWNER TO axai_owner;
"""
LOOKUP = f"""
CREATE TABLE "Lookup" (id integer PRIMARY KEY);
ALTER TABLE "Lookup" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY, OWNER TO axai_owner;
ALTER TABLE {LINES} ADD FOREIGN KEY ("Id") REFERENCES "Lookup" (id);
"""

HOLES = {
    "the owner sees all": (f"ALTER TABLE {ORDERS} NO FORCE ROW LEVEL SECURITY", "Sales Order"),
    "no policy of the tenant": (f"DROP POLICY lines ON {LINES}", "Order Line"),
    "a policy with a way out": (WAY_OUT, "Sales Order"),
    "a policy of another setting": (ELSEWHERE, "Sales Order"),
    "an owner who may write anything": (APPENDS, "Sales Order"),
    "rows of nobody": (
        f'ALTER TABLE {LINES} ALTER COLUMN "Tenant No" DROP NOT NULL',
        "Order Line",
    ),
    "a table that is nobody's": (
        f'{COUNTRY} ALTER TABLE "Other Shop"."Country" RENAME TO "City"',
        "City",
    ),
    "a shared table that anybody writes": (
        f'{COUNTRY} CREATE POLICY r ON "Country" AS RESTRICTIVE USING (true)',
        "Country",
    ),
    "a key from another order": (BACKWARDS, "by id"),
    "a unique expression": (
        f'CREATE UNIQUE INDEX "twice" ON {LINES} (("Id" * 2)) WHERE "Id" > 0',
        "twice",
    ),
    "an index": (f'CREATE INDEX "of lines" ON {LINES} ("Id" DESC)', "of lines"),
    "a key to rows of others": (SEVERAL_ORDERS, "leads to"),
    "a key to what is not unique for one": (CODES, "leads to"),
    "a view": (f'CREATE VIEW "Seen" AS SELECT * FROM {ORDERS}', "Seen"),
    "a materialised view": (KEPT, "Kept"),
    "a partition": (PARTITIONED, "Part"),
    "a sequence": ('CREATE SEQUENCE "Number"; GRANT SELECT ON "Number" TO axai_app', "Number"),
    "a column for everybody": (f'GRANT SELECT ("Order Id") ON {ORDERS} TO PUBLIC', "Sales Order"),
    "a trigger": (f"GRANT TRIGGER ON {ORDERS} TO axai_app", "Sales Order"),
    "a function that is misled": (MISLED, "Misled"),
    "a function that goes around the policies": (EXEMPT, "Around"),
    "a function of a superuser": (
        'CREATE FUNCTION "Mighty"() RETURNS integer LANGUAGE sql SECURITY DEFINER RETURN 1',
        "Mighty",
    ),
    "a function of the name of one that was reviewed": (REVIEWED_OTHERWISE, "Reviewed"),
    "a view in another schema": (REPORT, "My Reports.seen"),
    "a copy in another schema": (KEPT_REPORT, "My Reports.kept"),
    "a partition in another schema": (f"{REPORTS} {PART_ELSEWHERE}", "My Reports.part"),
    "a function in another schema": (CALLED_ELSEWHERE, '"My Reports".called()'),
    "a service that owns what shows": (SERVICE_ELSEWHERE, "My Reports.seen"),
    "a parameter": (
        "GRANT SET ON PARAMETER session_replication_role TO axai_app",
        "session_replication_role",
    ),
    "temporary tables": (TEMPORARY, "database"),
    "a service that owns": (f"ALTER TABLE {LINES} OWNER TO axai_app", "Order Line"),
    "objects of everybody": ('GRANT CREATE ON SCHEMA "Other Shop" TO PUBLIC', "Other Shop"),
    "new tables": (NEW_TABLES, "new tables"),
    "new functions": (NEW_FUNCTIONS, "new functions"),
    "a login that is exempt": (
        'CREATE ROLE "andamios test, exempt" BYPASSRLS IN ROLE axai_app',
        "exempt",
    ),
    "a login that becomes the owner": (BECOMES_OWNER, "andamios test"),
}

FINE = {
    "a view for whoever asks": (
        f"CREATE VIEW asks WITH (security_invoker = on) AS SELECT * FROM {ORDERS};"
        " ALTER VIEW asks OWNER TO axai_owner"
    ),
    "a sequence that counts": "CREATE SEQUENCE numbers; GRANT USAGE ON numbers TO axai_app",
    "a policy that lets nothing in": f"ALTER POLICY lines ON {LINES} WITH CHECK (false)",
    "a policy that raises without a context": (
        f"ALTER POLICY lines ON {LINES} USING"
        " (\"Tenant No\" = current_setting('shop.tenant')::integer)"
    ),
    "a function that was reviewed": REVIEWED,
    "what is elsewhere and nobody's": OF_OTHERS,
    "a shared table that few rows are shown of": (
        f'{COUNTRY} CREATE POLICY few ON "Country" AS RESTRICTIVE USING (id > 0) WITH CHECK (false)'
    ),
    "a table that nobody may touch": PRIVATE,
    "a key to a table of nobody": LOOKUP,
    "an index that cannot begin with anything else": (
        f'CREATE INDEX hashed ON {LINES} USING hash ("Id")'
    ),
}


@pytest.fixture
def shop(attacked: psycopg.Connection[Any]) -> Iterator[psycopg.Connection[Any]]:
    """Yield a database with a schema that somebody else has made well."""
    with attacked.transaction(force_rollback=True):
        attacked.execute(FOUNDATION.encode())
        yield attacked


def test_a_schema_that_is_isolated_otherwise_has_no_hole(shop: psycopg.Connection[Any]) -> None:
    assert inspect_isolation(shop, RULES) == ()


@pytest.mark.sampled(3)
@pytest.mark.parametrize("case", HOLES)
def test_a_hole_is_listed_and_its_statement_closes_it(
    shop: psycopg.Connection[Any], case: str
) -> None:
    statement, where = HOLES[case]
    shop.execute(statement.encode())

    found = inspect_isolation(shop, RULES)

    assert [hole for hole in found if where in hole.where]
    for hole in found:
        shop.execute(hole.statement.encode())
    assert inspect_isolation(shop, RULES) == ()


def test_rights_on_new_large_objects_are_a_hole(shop: psycopg.Connection[Any]) -> None:
    if shop.info.server_version < 180_000:
        pytest.skip("before PostgreSQL 18 there are no such rights")
    shop.execute(LARGE_OBJECTS.encode())

    [hole] = inspect_isolation(shop, RULES)

    assert hole.where == "new large objects of axai_owner"
    shop.execute(hole.statement.encode())
    assert inspect_isolation(shop, RULES) == ()


def test_who_only_lets_others_in_acts_as_nobody(shop: psycopg.Connection[Any]) -> None:
    """Whoever makes a role may grant it, from PostgreSQL 16 on, and so is a member of it."""
    if shop.info.server_version < 160_000:
        pytest.skip("before PostgreSQL 16 each member may act as the role")
    shop.execute(
        "CREATE ROLE andamios_test_maker CREATEROLE; CREATE ROLE andamios_test_member;"
        "GRANT axai_app TO andamios_test_maker WITH ADMIN TRUE, SET FALSE, INHERIT FALSE"
    )
    assert inspect_isolation(shop, RULES) == ()

    shop.execute(
        "GRANT axai_app TO andamios_test_member;"
        "GRANT axai_owner TO andamios_test_member WITH ADMIN TRUE, SET FALSE, INHERIT FALSE"
    )

    [hole] = inspect_isolation(shop, RULES)
    assert (hole.where, hole.why) == ("role andamios_test_member", "it may act as axai_owner")


@pytest.mark.sampled(3)
@pytest.mark.parametrize("case", FINE)
def test_what_is_no_hole_is_not_listed(shop: psycopg.Connection[Any], case: str) -> None:
    shop.execute(FINE[case].encode())

    assert inspect_isolation(shop, RULES) == ()


@pytest.mark.parametrize(
    ("number", "wanted"),
    [(140_020, "15.14"), (150_013, "15.14"), (160_009, "16.10"), (170_005, "17.6")],
)
def test_an_outdated_server_is_a_hole(number: int, wanted: str) -> None:
    [hole] = outdated(number)

    assert hole.statement == f"-- upgrade PostgreSQL to {wanted} or newer"


@pytest.mark.parametrize("number", [150_014, 160_010, 170_006, 180_000])
def test_a_repaired_server_is_none(number: int) -> None:
    assert list(outdated(number)) == []


def test_holes_are_a_table() -> None:
    hole = Hole("table a.b", "no row security", "DROP POLICY p ON a.b;\nCREATE POLICY p ON a.b;")

    assert holes_as_table([hole]).splitlines() == [
        "where      why",
        "---------  ---------------",
        "table a.b  no row security",
        "    DROP POLICY p ON a.b;",
        "    CREATE POLICY p ON a.b;",
    ]
    assert holes_as_table([]) == "no hole found"
