"""Engines and sessions for SQLite and PostgreSQL alike. Errors hide their parameters: those are uids, captions and names.

SQLite is used in WAL mode. Writers say so with ``writing(engine)``: their transactions begin with BEGIN IMMEDIATE, because a
transaction that reads first and writes later fails with "database is locked" when another one wrote in between.
"""

import os
import sqlite3
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.orm import Session, sessionmaker

BUSY_TIMEOUT_S = 30
_POOL: dict[str, Any] = {"poolclass": QueuePool, "pool_size": 5, "max_overflow": -1}


def make_engine(url: str) -> Engine:
    """Engine for ``url``. Make it after a fork, never before: connections must not be shared between processes.

    The pool has no bound but the threads that ask: one that holds a connection may need a second, and would wait for the others' firsts.
    """
    if url.startswith("postgresql://"):
        url = url.replace("postgresql://", "postgresql+psycopg://", 1)
    if not url.startswith("sqlite"):
        engine = create_engine(url, pool_pre_ping=True, **_POOL, hide_parameters=True)
        event.listen(engine, "begin", _begin_postgresql)
        return engine
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S}, **_POOL, hide_parameters=True)
    event.listen(engine, "do_connect", _make_file)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def writing(engine: Engine, patience_s: float | None = None) -> Engine:
    """The same engine and pool, for transactions that will write. ``patience_s``: how long one waits for a lock."""
    return engine.execution_options(sqlite_begin="BEGIN IMMEDIATE", patience_s=patience_s)


def make_sessions(engine: Engine) -> sessionmaker[Session]:
    return sessionmaker(engine, expire_on_commit=False)


def _make_file(_dialect: Any, _record: Any, arguments: Any, _options: Any) -> None:
    """By the umask alone: SQLite's own would not let its group write, nor in the write-ahead log, which gets the file's mode."""
    place = str(arguments[0])
    if not place.startswith((":", "file:")):
        with suppress(OSError):  # it is there; or SQLite says better why it cannot be
            os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # we begin transactions ourselves, below
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    patience_s = options.get("patience_s") or BUSY_TIMEOUT_S
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {round(patience_s * 1000)}")
    connection.exec_driver_sql(options.get("sqlite_begin", "BEGIN"))


def _begin_postgresql(connection: Connection) -> None:
    if patience_s := connection.get_execution_options().get("patience_s"):
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {round(patience_s * 1000)}")
