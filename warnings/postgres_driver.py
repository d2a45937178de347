"""pg8000 under SQLAlchemy, with a lost connection told as one whatever became of it.

pg8000 lets the error of a socket through where the server goes away in the middle of an answer;
SQLAlchemy knows errors of the driver alone, and so does everybody who relies on the database.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.pg8000 import PGDialect_pg8000

NAME = "jinghu_pg8000"


class Driver(PGDialect_pg8000):
    """As SQLAlchemy has it, but for what is lost on the way."""

    supports_statement_cache = True
    # Rows are sent many at a time: one by one, each waits for the server's answer.
    use_insertmanyvalues_wo_returning = True

    @contextmanager
    def told(self) -> Iterator[None]:
        """Tell what happens to a socket as the driver's own error, in the words it has for it."""
        try:
            yield
        except OSError as error:
            raise self.loaded_dbapi.InterfaceError(f"network error: {error}") from error

    def do_execute(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
        """Run a statement."""
        with self.told():
            cursor.execute(statement, parameters)

    def do_executemany(
        self, cursor: Any, statement: str, parameters: Any, context: Any = None
    ) -> None:
        """Run a statement for many rows."""
        with self.told():
            cursor.executemany(statement, parameters)

    def do_execute_no_params(self, cursor: Any, statement: str, context: Any = None) -> None:
        """Run a statement as it is."""
        with self.told():
            cursor.execute(statement)

    def do_commit(self, dbapi_connection: Any) -> None:
        """Commit."""
        with self.told():
            dbapi_connection.commit()

    def do_rollback(self, dbapi_connection: Any) -> None:
        """Roll back."""
        with self.told():
            dbapi_connection.rollback()

    def do_ping(self, dbapi_connection: Any) -> bool:
        """Whether a connection is still one."""
        with self.told():
            return bool(super().do_ping(dbapi_connection))

    def do_close(self, dbapi_connection: Any) -> None:
        """Say farewell, where there is still somebody to hear it."""
        with suppress(OSError, self.loaded_dbapi.Error):
            dbapi_connection.close()


registry.register(f"postgresql.{NAME}", __name__, Driver.__name__)
