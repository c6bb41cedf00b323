"""A real MLflow server with basic auth that allows nothing by default, on SQLite or PostgreSQL."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.servers import free_port, server
from tests.registry_hooks.postgres import postgres

PASSWORDS = {"admin": "the administrator's own", "fitter": "of the service account"}


@dataclass(frozen=True)
class AuthServer:
    """Where it listens, and who is who: `admin`, and the service account `fitter`."""

    url: str

    @contextmanager
    def account(self, name: str, password: str | None = None) -> Iterator[None]:
        """Requests of this process are those of `name`."""
        before = dict(os.environ)
        os.environ["MLFLOW_TRACKING_USERNAME"] = name
        os.environ["MLFLOW_TRACKING_PASSWORD"] = password or PASSWORDS[name]
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)

    def grant(self, kind: str, name: str, permission: str) -> None:
        """Give `fitter` a permission, in place of the one it had."""
        from mlflow.exceptions import MlflowException

        with self.account("admin"):
            client = self.accounts()
            try:
                client.revoke_user_permission("fitter", kind, name)
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
            client.grant_user_permission("fitter", kind, name, permission)

    def accounts(self) -> Any:
        """MLflow's client for users and permissions."""
        from mlflow.server import get_app_client

        return get_app_client("basic-auth", tracking_uri=self.url)


@contextmanager
def auth_server(database: str, folder: Path) -> Iterator[AuthServer]:
    """Run it on "sqlite" or "postgresql" until the block ends."""
    with ExitStack() as stack:
        if database == "postgresql":
            store = stack.enter_context(postgres())
            users = f"{store.rpartition('/')[0]}/users"
            _create_database(store, "users")
        else:
            store, users = f"sqlite:///{folder}/server.db", f"sqlite:///{folder}/users.db"
        (folder / "auth.ini").write_text(
            f"[mlflow]\ndefault_permission = NO_PERMISSIONS\ndatabase_uri = {users}\n"
            # Without it every request hashes a password: a second of work.
            "auth_cache_ttl_seconds = 600\n"
            f"admin_username = admin\nadmin_password = {PASSWORDS['admin']}\n"
        )
        port = free_port()
        command = [
            sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth",
            "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
            "--backend-store-uri", store, "--artifacts-destination", str(folder / "artifacts"),
        ]  # fmt: skip
        url = f"http://127.0.0.1:{port}"
        running = server(
            command,
            f"{url}/health",
            folder,
            MLFLOW_AUTH_CONFIG_PATH=str(folder / "auth.ini"),
            MLFLOW_FLASK_SERVER_SECRET_KEY="a key for this server alone",
            MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",
        )
        stack.enter_context(running)
        found = AuthServer(url)
        with found.account("admin"):
            found.accounts().create_user("fitter", PASSWORDS["fitter"])
        yield found


def _create_database(store: str, name: str) -> None:
    import psycopg

    with psycopg.connect(store.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
