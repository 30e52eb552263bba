"""What the suite may take for granted: the abilities of DuckDB and of this dialect.

What is neither opened nor closed here has SQLAlchemy's default. Whatever is closed and makes
the suite skip a test is explained in ``limits.py``.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.testing import exclusions
from sqlalchemy.testing.requirements import SuiteRequirements
from tests.compliance.limits import LIMITS

OPEN = (
    "aggregate_order_by",
    "array_type",
    "async_dialect",
    "autocommit",
    "boolean_col_expressions",
    "check_constraint_reflection",
    "comment_reflection",
    "comment_reflection_full_unicode",
    "computed_columns",
    "computed_columns_reflect_persisted",
    "computed_columns_virtual",
    "create_or_replace_view",
    "create_table_as",
    "create_temp_table_as",
    "ctes",
    "ctes_with_update_delete",
    "ctes_with_values",
    "date_historic",
    "datetime_historic",
    "datetime_interval",
    "datetime_literals",
    "datetime_timezone",
    "datetime_timezone_historic",
    "delete_from",
    "except_",
    "expression_server_defaults",
    "fetch_expression",
    "fetch_first",
    "fetch_no_order_by",
    "fetch_offset_with_options",
    "float_or_double_precision_behaves_generically",
    "has_temp_table",
    "index_ddl_if_exists",
    "indexes_check_column_order",
    "indexes_with_expressions",
    "infinity_floats",
    "inline_check_constraint_reflection",
    "intersect",
    "isolation_level",
    "json_type",
    "legacy_unconditional_json_extract",
    "nullsordering",
    "percent_schema_names",
    "precision_numerics_enotation_small",
    "precision_numerics_many_significant_digits",
    "precision_numerics_retains_significant_digits",
    "reflect_indexes_with_expressions",
    "reflect_table_options",
    "regexp_match",
    "regexp_replace",
    "schema_create_delete",
    "self_referential_foreign_keys",
    "server_defaults",
    "skip_autocommit_rollback",
    "supports_bitwise_and",
    "supports_bitwise_not",
    "supports_bitwise_or",
    "supports_bitwise_shift",
    "supports_bitwise_xor",
    "supports_distinct_on",
    "table_ddl_if_exists",
    "table_value_constructor",
    "temp_table_comment_reflection",
    "temp_table_names",
    "temporary_views",
    "time_timezone",
    "timestamp_microseconds",
    "tuple_in",
    "unicode_ddl",
    "update_from",
    "uuid_data_type",
    "views",
    "window_functions",
    "window_range",
    "window_range_non_numeric",
    "window_range_numeric",
)


class Requirements(SuiteRequirements):
    """The requirements of ``duckdb+andamios``, async and sync."""

    def get_order_by_collation(self, config: object) -> str:  # noqa: ARG002 - SQLAlchemy's signature
        """Return a collation that the suite may order by."""
        return "NOCASE"


def _open(_requirements: object) -> Any:
    return exclusions.open()  # type: ignore[no-untyped-call]  # SQLAlchemy's


def _closed(reason: str) -> property:
    def closed(_requirements: object) -> Any:
        return exclusions.closed(reason)  # type: ignore[no-untyped-call]  # SQLAlchemy's

    return property(closed)


for _name in OPEN:
    setattr(Requirements, _name, property(_open))
for _limit in LIMITS:
    for _name in _limit.requirements:
        setattr(Requirements, _name, _closed(_limit.skip_reason))
