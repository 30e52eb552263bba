"""What to do about each error, for the command ``explain``."""

from __future__ import annotations

from typing import Final

from andamios_orm import exceptions

__all__ = ["ERRORS", "REMEDIES"]

REMEDIES: Final = {
    "AndamiosError": "Catch it to catch all errors of this package; what is beneath says more.",
    "BackupFailed": (
        "Look at the disk, make another copy, and keep the one before until it is there."
    ),
    "BulkRefused": (
        "Mend the rows that errors lists, or pass on_error='collect' to load the others."
    ),
    "CheckViolation": "Give a value that the CHECK allows; constraint names it.",
    "CommitOutcomeUnknown": (
        "Read what would have been written: it may be there. Repeat the work only if it is not."
    ),
    "ConcurrencyConflict": (
        "Run the unit of work again: database.transaction(retry=True), or run_in_transaction()."
    ),
    "ConfigurationError": "The message names the option, setting or URL: correct it.",
    "ConstraintViolation": (
        "Give values that the rule allows; table, columns and constraint name it."
    ),
    "CursorRefused": (
        "Begin at the first page; pass cursors on as they were given, with the same sort."
    ),
    "DataFault": "Give a value of the column's type and range; the message says which.",
    "DatabaseAlreadyOpen": (
        "Close the other connection of this process, or use database.raw() for what it did."
    ),
    "DatabaseClosed": "Open a new Database; use one only inside of its async with block.",
    "DatabaseCorrupt": (
        "Keep the file, and put a copy in its place: andamios-orm restore COPY FILE. "
        "Its log is part of it: never move FILE without FILE.wal."
    ),
    "DatabaseFault": (
        "The message is that of the database; statement and params say what it was given."
    ),
    "DatabaseLocked": (
        "Stop the process that pid names, or let all work go through one process; "
        "DuckDB gives a file to one that writes."
    ),
    "DatabaseReplaced": (
        "Close the database and open it anew; replace files only while nobody has them."
    ),
    "DatabaseUnavailable": "See that the file or server is there, and that this user may use it.",
    "DecryptionFailed": "Give the old keys behind the new one; without the key the value is lost.",
    "DiskFull": "Make room; what was committed is safe. Then run the work again.",
    "DuplicateKey": (
        "Choose another value, or get_or_create() and upsert() if the row may be there."
    ),
    "FollowerUnknown": (
        "Take one of the names in known; a follower exists once it has saved a position."
    ),
    "ForeignKeyViolation": (
        "Write the row that is referred to first; delete what refers to a row first."
    ),
    "ForkedProcess": "Open a Database in the child, and fork before one is opened: use spawn.",
    "HistoryExpired": (
        "Read the tables as they are now, and follow from there; keep changes for longer."
    ),
    "LoadTooLarge": (
        "Pass atomic=False, which commits each batch and can be resumed; or more memory_limit."
    ),
    "MigrationFailed": (
        "The revision was rolled back: mend it where path says, and migrate again."
    ),
    "MigrationLocked": "Wait for the other process; if it hangs, holder says who it is.",
    "MigrationRefused": "Nothing was changed; the message says what stands in the way.",
    "MissingExtra": "Run the pip install that the message names.",
    "MissingTable": (
        "Create it: andamios-orm migrate; andamios-orm check says what else is missing."
    ),
    "MoreThanOne": "Filter by a key that is unique, or take first().",
    "NestedTransactionUnsupported": (
        "DuckDB has no savepoints: use a transaction of its own for what may fail alone."
    ),
    "NotFound": "Look for the key elsewhere, or use get_by_id(), which answers None.",
    "NotLoaded": "Name the relation in load= of the query; nothing is read behind your back.",
    "NotNullViolation": "Give the column a value, or a default in the model.",
    "OperationFault": "Nothing is wrong with the statement: look at the cause, and try again.",
    "PoolExhausted": (
        "Keep sessions shorter; holders names who has them. Else raise pool_size or max_overflow."
    ),
    "QueryRefused": "Take one of the names in known.",
    "RevisionUnknown": "Take one of the names in known; andamios-orm history shows them.",
    "RevisionsPending": "Run them: andamios-orm migrate; with --dry-run it prints the SQL first.",
    "StaleVersion": "Read the row again, apply the change to what it is now, and write that.",
    "StatementRefused": (
        "A hardened engine reads no files and changes no settings: use load() for files, "
        "or name what it may do in allow."
    ),
    "StatementTimeout": (
        "See with explain what takes so long; else raise statement_timeout, for one statement "
        "or for all."
    ),
    "TransactionAborted": "Leave the transaction; what failed first is in cause_message.",
    "UncommittedChanges": "Commit, or use database.transaction(), which does.",
    "UnknownField": "Take a field of the model; known lists them.",
    "UnknownOperator": "Take one of the operators in known.",
    "ValueRefused": (
        "Give the value that you want stored; reason says what would have become of this one."
    ),
    "WriteConflict": (
        "Run the unit of work again: database.transaction(retry=True), or run_in_transaction()."
    ),
    "WriteDeadlock": (
        "One session of the task holds the gate that its other session asked for: write with one "
        "session, or end the first one before."
    ),
    "WriteGateTimeout": (
        "Keep transactions that write short: no network, no user in between; last_statement says "
        "where the other one is. Else raise write_timeout."
    ),
}
"""By the name of the error's class."""

ERRORS: Final = {name: getattr(exceptions, name) for name in REMEDIES}
"""The classes, by name."""
