"""What is asked of PostgreSQL's catalog and statistics, in SQL that every role may run.

The size of a table, and the columns of an index in SQL, take a lock that waits for one who
changes the table: of such a table, the size is estimated, that of its indexes left out, and
expressions that are indexed are called by the names that PostgreSQL gave them.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import text

__all__ = ["LOG", "QUERIES", "STATEMENTS"]

DATABASE: Final = text("""
    SELECT current_database() AS name, current_user AS role,
        pg_database_size(current_database()) AS size,
        pg_size_bytes(current_setting('max_wal_size')) AS log_limit,
        has_function_privilege('pg_ls_waldir()', 'EXECUTE') AS tells_log,
        (SELECT stats_reset FROM pg_stat_database WHERE datname = current_database()) AS since,
        (SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
            WHERE e.extname = 'pg_stat_statements') AS statements,
        EXISTS (SELECT FROM pg_settings WHERE name = 'pg_stat_statements.max') AS loaded
""")
LOG: Final = text("SELECT CAST(coalesce(sum(size), 0) AS bigint) FROM pg_ls_waldir()")
_LOCKED: Final = """
    locked AS MATERIALIZED (
        SELECT DISTINCT relation FROM pg_locks
        WHERE mode = 'AccessExclusiveLock' AND relation IS NOT NULL
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    )
"""
_SCHEMAS: Final = "n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'"
TABLES: Final = text(f"""
    WITH {_LOCKED}
    SELECT CAST(c.oid AS bigint) AS oid, n.nspname AS schema, c.relname AS name,
        CASE WHEN c.relispartition THEN CAST(CAST(pg_partition_root(c.oid) AS oid) AS bigint)
            ELSE CAST(c.oid AS bigint) END AS root,
        CAST(CASE WHEN s.n_live_tup > 0 THEN s.n_live_tup ELSE greatest(c.reltuples, 0) END
            AS bigint) AS rows,
        CASE WHEN busy THEN c.relpages * CAST(current_setting('block_size') AS bigint)
            ELSE coalesce(pg_total_relation_size(c.oid), 0) END AS size,
        CASE WHEN busy THEN NULL ELSE pg_indexes_size(c.oid) END AS index_size,
        s.n_dead_tup AS dead, greatest(s.last_analyze, s.last_autoanalyze) AS analyzed,
        s.n_mod_since_analyze AS changed, s.seq_scan, s.seq_tup_read, s.idx_scan
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid
    CROSS JOIN LATERAL (
        SELECT EXISTS (
            SELECT FROM locked
            WHERE relation = c.oid OR relation = c.reltoastrelid
            OR relation IN (SELECT indexrelid FROM pg_index WHERE indrelid = c.oid)
        ) AS busy
    ) AS lock
    WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND {_SCHEMAS}
    ORDER BY n.nspname, c.relname
""")  # noqa: S608 - constants
INDEXES: Final = text(f"""
    WITH {_LOCKED}
    SELECT CAST(i.indrelid AS bigint) AS relation, c.relname AS name, i.indisunique AS is_unique,
        i.indisvalid AS valid, a.amname AS method, c.relispartition AS is_part,
        CAST(i.indkey AS text) AS keys, CAST(i.indclass AS text) AS classes,
        CAST(i.indcollation AS text) AS collations, CAST(i.indoption AS text) AS options,
        i.indnkeyatts AS width, i.indpred IS NOT NULL AS partial,
        i.indisreplident OR EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid)
            AS needed,
        CASE WHEN i.indexrelid IN (SELECT relation FROM locked) THEN NULL
            ELSE pg_relation_size(i.indexrelid) END AS size,
        s.idx_scan AS scans,
        ARRAY(
            SELECT CASE WHEN i.indrelid IN (SELECT relation FROM locked) THEN part.attname
                ELSE pg_get_indexdef(i.indexrelid, part.attnum, true) END
            FROM pg_attribute part
            WHERE part.attrelid = i.indexrelid AND part.attnum BETWEEN 1 AND i.indnkeyatts
            ORDER BY part.attnum
        ) AS columns
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_am a ON a.oid = c.relam
    JOIN pg_class t ON t.oid = i.indrelid
    JOIN pg_namespace n ON n.oid = t.relnamespace
    LEFT JOIN pg_stat_user_indexes s ON s.indexrelid = i.indexrelid
    WHERE t.relpersistence <> 't' AND t.relkind IN ('r', 'm', 'p') AND {_SCHEMAS}
    ORDER BY c.relname, i.indexrelid
""")  # noqa: S608 - constants
KEYS: Final = text(f"""
    SELECT DISTINCT CAST(k.conrelid AS bigint) AS relation, n.nspname AS schema,
        c.relname AS name, c.relkind = 'p' AS parted, p.relname AS parent, k.conkey AS keys,
        ARRAY(
            SELECT CAST(a.attname AS text)
            FROM unnest(k.conkey) WITH ORDINALITY AS key(number, place)
            JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = key.number
            ORDER BY key.place
        ) AS columns
    FROM pg_constraint k
    JOIN pg_class c ON c.oid = k.conrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_class p ON p.oid = k.confrelid
    WHERE k.contype = 'f' AND k.conparentid = 0 AND {_SCHEMAS}
    ORDER BY n.nspname, c.relname, k.conkey
""")  # noqa: S608 - constants
SKEW: Final = text(f"""
    SELECT n.schemaname AS schema, n.tablename AS name, n.attname AS column, n.null_frac AS empty,
        coalesce(n.most_common_freqs[1], 0) AS common
    FROM (SELECT *, schemaname AS nspname FROM pg_stats) AS n
    WHERE NOT n.inherited AND greatest(n.null_frac, n.most_common_freqs[1]) >= 0.5
    AND n.null_frac < 1 AND coalesce(n.most_common_freqs[1], 0) < 1 AND {_SCHEMAS}
    ORDER BY n.schemaname, n.tablename, n.attname
""")  # noqa: S608 - constants
STATEMENTS: Final = """
    SELECT query, calls, total_exec_time / 1000 AS seconds, max_exec_time / 1000 AS longest
    FROM {schema}.pg_stat_statements
    WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND query <> '<insufficient privilege>'
    ORDER BY total_exec_time DESC
    LIMIT 10
"""
QUERIES: Final = (DATABASE, TABLES, INDEXES, KEYS, SKEW)
"""The database, its tables, indexes, foreign keys and uneven columns."""
