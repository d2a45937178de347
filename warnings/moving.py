"""From one warnings database into another one, as where SQLite has become too small."""

from sqlalchemy import Connection, Engine, func, insert, select, text

from jinghu.grid.errors import DataError
from jinghu.warnings.database import reading
from jinghu.warnings.tables import metadata

_BATCH = 2000


def move_all(source: Engine, target: Engine) -> dict[str, int]:
    """Copy every row into a database that has none; returns how many of each table.

    All of it is one transaction. Nobody may write into the source meanwhile, or that is lost.

    Raises
    ------
    DataError
        Where the target has rows already.
    """
    moved: dict[str, int] = {}
    with reading(source) as old, target.begin() as new:
        for table in metadata.sorted_tables:
            if new.execute(select(table).limit(1)).first() is not None:
                raise DataError("the new database", f"it is not empty: table {table.name}")
        for table in metadata.sorted_tables:
            moved[table.name] = 0
            query = select(table).order_by(*table.primary_key.columns)
            rows = old.execution_options(yield_per=_BATCH).execute(query).mappings()
            for part in rows.partitions():
                new.execute(insert(table), [dict(row) for row in part])
                moved[table.name] += len(part)
        if new.dialect.name == "postgresql":
            _number_on(new)
    return moved


def _number_on(connection: Connection) -> None:
    """Let the numbers that PostgreSQL gives begin behind those that were copied."""
    for table in metadata.sorted_tables:
        column = table.autoincrement_column
        if column is None:
            continue
        last = connection.execute(select(func.max(column))).scalar()
        if last is not None:
            connection.execute(
                text("SELECT setval(pg_get_serial_sequence(:table, :column), :last)"),
                {"table": table.name, "column": column.name, "last": int(last)},
            )
