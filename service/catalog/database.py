"""Opening the catalog's database, SQLite or PostgreSQL, and bringing its tables up to date.

Migrations run whenever a catalog is opened, under a lock: of two processes that open a new data folder at
once, one creates the tables and the other finds them. A migration is one transaction in both databases.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from service.errors import CatalogNewer, CatalogUnusable

BUSY_SECONDS = 30  # how long a writer waits for another; a transaction here takes milliseconds
MIGRATION_LOCK = 0x6561727769746E65  # "earwitne": any number nobody else locks in this database

_MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
_migrating = threading.Lock()  # Alembic's context is one per process


def open_engine(url: str) -> Engine:
    """Connect to `sqlite:///PATH` or `postgresql+psycopg://…` and migrate it to the newest tables.

    Raises:
        CatalogUnusable: no such database, no permission, or an address of another kind.
        CatalogNewer: its tables are newer than this program.
    """
    address = _address(url)
    shown = address.render_as_string(hide_password=True)
    with database_errors(shown):
        if address.get_backend_name() == "sqlite":
            return _open_sqlite(address, shown)
        engine = create_engine(address, hide_parameters=True, pool_pre_ping=True)
        with _disposed_on_error(engine), _migrating, engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            _upgrade(connection, shown)
        return engine


@contextmanager
def database_errors(shown: str) -> Iterator[None]:
    """Say in one line what the database refused; statements and their values stay out of it."""
    try:
        yield
    except DBAPIError as error:
        reason = " ".join(str(error.orig).split()) or type(error.orig).__name__
        busy = "lock" in reason or error.connection_invalidated
        raise CatalogUnusable(shown, reason, transient=busy) from error
    except SQLAlchemyError as error:
        raise CatalogUnusable(shown, " ".join(str(error).split())) from error
    except OSError as error:
        raise CatalogUnusable(shown, error.strerror or str(error)) from error


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes. In SQLite it takes the write lock at once: a reader that turns writer half-way
    could not wait for another writer, only fail."""
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        yield connection


def snapshot(engine: Engine, path: Path) -> None:
    """Copy a SQLite database, as it is at this moment, to a new file (SQLite's online backup).

    Raises:
        CatalogUnusable: the database is a PostgreSQL server's.
    """
    if engine.dialect.name != "sqlite":
        shown = engine.url.render_as_string(hide_password=True)
        raise CatalogUnusable(shown, "a PostgreSQL catalog is backed up with pg_dump and restored with pg_restore")
    source = engine.raw_connection()
    try:
        with closing(sqlite3.connect(path)) as target:
            source.driver_connection.backup(target)  # type: ignore[union-attr]  # sqlite3's own connection
            target.execute("PRAGMA journal_mode=DELETE")  # one file, without the -wal that a copy could miss
    except sqlite3.Error as error:
        raise CatalogUnusable(str(path), str(error)) from error
    finally:
        source.close()


def _address(url: str) -> URL:
    try:
        address = make_url(url)
        supported = address.get_backend_name() in ("sqlite", "postgresql")
    except ArgumentError as error:
        raise CatalogUnusable(url, "this is not a database address, such as sqlite:///PATH") from error
    shown = address.render_as_string(hide_password=True)
    if not supported:
        raise CatalogUnusable(shown, "only sqlite:///PATH and postgresql+psycopg://… are supported")
    if address.get_backend_name() == "sqlite" and address.database in (None, "", ":memory:"):
        raise CatalogUnusable(shown, "a catalog is a file that several processes share: name one")
    return address


def _open_sqlite(address: URL, shown: str) -> Engine:
    from filelock import FileLock

    path = Path(str(address.database))
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(address, hide_parameters=True, connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    lock = FileLock(f"{path}.lock")
    with _disposed_on_error(engine), _migrating, lock, writing(engine) as connection:
        _upgrade(connection, shown)
    return engine


@contextmanager
def _disposed_on_error(engine: Engine) -> Iterator[None]:
    try:
        yield
    except BaseException:
        engine.dispose()
        raise


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver starts no transactions of its own; `_begin_sqlite` does
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")  # readers and one writer do not wait for each other
    cursor.execute("PRAGMA synchronous=FULL")  # what is committed survives a power cut
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _upgrade(connection: Connection, shown: str) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    current = MigrationContext.configure(connection).get_current_revision()
    script = ScriptDirectory.from_config(config)
    if current == script.get_current_head():
        return
    if current is not None and current not in {revision.revision for revision in script.walk_revisions()}:
        raise CatalogNewer(shown, current)
    command.upgrade(config, "head")
