"""Runs, threads and effects in a PostgreSQL database, which any number of machines may share."""

from weft.checkpoint.faults import NO_FAULTS, Faults
from weft.checkpoint.postgres.address import address_of
from weft.checkpoint.postgres.database import PostgresDatabase
from weft.checkpoint.store import DatabaseCheckpointer

__all__ = ["from_url", "postgres_checkpointer"]


def postgres_checkpointer(dsn: str, *, faults: Faults = NO_FAULTS) -> DatabaseCheckpointer:
    """Return the database `postgresql://user@host/database?schema=name`, opened with the first call.

    Its tables stand in the schema, `weft` if none is named, and are made there if they are absent.
    What the URL leaves out is taken from the environment, as `PGPASSWORD` and `PGSSLMODE` are.

    Raises:
        ConfigError: The URL names no database.
    """
    return DatabaseCheckpointer(PostgresDatabase(address_of(dsn), faults))


def from_url(rest: str) -> DatabaseCheckpointer:
    """Return the database of `postgresql:<rest>`.

    Raises:
        ConfigError: The URL names no database.
    """
    return postgres_checkpointer(f"postgresql:{rest}")
