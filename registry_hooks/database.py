"""Opens the hooks' database: migrated, and with transactions that are safe for a claim."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.orm import Session, sessionmaker

from flipad_ops.common.errors import StateError, UsageError, first_line
from flipad_ops.common.extras import need

#: The last revision of `migrations`, and where the database says which one it has. The database may
#: be MLflow's own, whose `alembic_version` is another.
HEAD, VERSION_TABLE = "0004", "flipad_alembic"
#: The table by which databases from before alembic say their version: 1, or none.
BEFORE, LAST_BEFORE = "flipad_schema", 1
#: Seconds that SQLite waits for another writer.
BUSY = 30.0
#: Of transactions that only read: they wait for no writer, nor for each other.
_READS = "flipad_reads"
#: PostgreSQL's lock on the migration; any number that others do not take.
_LOCK = 0x666C6970


def open_database(url: str, must_exist: bool = False) -> sessionmaker[Session]:
    """Transactions on a database whose tables are those of this version.

    Parameters
    ----------
    must_exist : bool
        Begin no new SQLite file.

    Raises
    ------
    UsageError
        The URL is not one, or the database cannot be reached or is not there.
    StateError
        A later version of flipad_ops made the tables.
    """
    options = {"connect_args": {"timeout": BUSY}} if url.startswith("sqlite") else {}
    try:
        engine = create_engine(url, pool_pre_ping=True, **options)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        if url.startswith("postgresql"):
            need("postgres", "A work table in PostgreSQL")
        # The URL may hold a password: not quoted.
        raise UsageError(f"The work table's URL cannot be used: {_plain(error)}.") from error
    if engine.dialect.name == "sqlite":
        file = engine.url.database
        if must_exist and file and file != ":memory:" and not Path(file).is_file():
            raise UsageError(
                f"There is no work table {file}: run `flipadops hooks up`, or name its --config."
            )
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin)
    try:
        _migrate(engine)
    except StateError:
        engine.dispose()
        raise
    except DBAPIError as error:
        engine.dispose()
        raise UsageError(f"The work table cannot be opened: {_plain(error.orig)}.") from error
    return sessionmaker(engine, expire_on_commit=False)


def reading(sessions: sessionmaker[Session]) -> sessionmaker[Session]:
    """Transactions on the same database that only read."""
    engine = sessions.kw["bind"].execution_options(**{_READS: True})
    return sessionmaker(engine, expire_on_commit=False)


def insert_into(session: Session, table: Any) -> Any:
    """An INSERT that knows ON CONFLICT, in the words of the session's database."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    return dialect.insert(table)


def _migrate(engine: Engine) -> None:
    with engine.connect() as connection:
        if _revision(connection) == HEAD:
            return
    # Of several processes that start at once one migrates, the others wait and find it done.
    with engine.begin() as connection:  # SQLite: BEGIN IMMEDIATE
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        if (stored := _revision(connection)) == HEAD:
            return
        from alembic import command
        from alembic.config import Config
        from alembic.script import ScriptDirectory

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        known = {each.revision for each in ScriptDirectory.from_config(config).walk_revisions()}
        if stored is not None and stored not in known:
            raise StateError(
                f"The work table has schema {stored}, this version of flipad_ops knows {HEAD}: "
                "install the version that made it, or name another database."
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _revision(connection: Connection) -> str | None:
    """What the database says; None when it is empty or from before alembic."""
    tables = set(inspect(connection).get_table_names())
    if VERSION_TABLE in tables:
        found = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608
        return None if found is None else str(found)
    if BEFORE in tables:
        found = connection.scalar(text(f"SELECT max(version) FROM {BEFORE}"))  # noqa: S608
        return str(found) if (found or 0) > LAST_BEFORE else None
    return None


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    # Python's driver begins transactions too late for a claim; `_begin` does it.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={int(BUSY * 1000)}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


def _begin(connection: Any) -> None:
    reads = connection.get_execution_options().get(_READS, False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _plain(error: BaseException | None) -> str:
    return first_line(error)[:200].rstrip(".") if error else "unknown error"
