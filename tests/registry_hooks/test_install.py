"""Against a client that answers as MLflow does; the real server is in test_e2e."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.store.entities.paged_list import PagedList

from flipad_ops.common.errors import UsageError
from registry_hooks.install import NAME, install

URL, SECRET = "https://hooks.example/mlflow", "a secret of some length"


class Webhooks:
    """What the registry has, and how its test goes."""

    def __init__(self, *names: str, success: bool = True, status: int | None = 202) -> None:
        self.pages = [[SimpleNamespace(name=name, webhook_id=name)] for name in names] or [[]]
        self.success, self.status, self.calls = success, status, []

    def list_webhooks(self, page_token: str | None = None) -> Any:
        index = int(page_token or 0)
        more = str(index + 1) if index + 1 < len(self.pages) else None
        return PagedList(self.pages[index], more)

    def create_webhook(self, name: str, **fields: Any) -> Any:
        self.calls.append(("create", name, fields))
        return SimpleNamespace(name=name, webhook_id="new")

    def update_webhook(self, webhook_id: str, **fields: Any) -> Any:
        self.calls.append(("update", webhook_id, fields))
        return SimpleNamespace(name=NAME, webhook_id=webhook_id)

    def test_webhook(self, webhook_id: str, event: str) -> Any:
        self.calls.append(("test", webhook_id, event))
        return SimpleNamespace(success=self.success, response_status=self.status)


def test_the_webhook_is_made_once_and_then_kept_up_to_date() -> None:
    client: Any = Webhooks("another")
    assert install(client, URL, SECRET).created
    (what, name, fields), test = client.calls
    assert (what, name, fields["url"], fields["secret"]) == ("create", NAME, URL, SECRET)
    assert fields["events"] == ["model_version.created"]
    assert test == ("test", "new", "registered_model.created")
    client = Webhooks("another", NAME)
    found = install(client, URL, SECRET)
    assert (found.created, found.webhook_id, found.answer) == (False, NAME, 202)
    assert client.calls[0][0] == "update"


@pytest.mark.parametrize(("status", "why"), [(401, "answer 401"), (None, "no answer")])
def test_a_refused_test_is_an_error_that_keeps_the_secret(status: int | None, why: str) -> None:
    client: Any = Webhooks(success=False, status=status)
    with pytest.raises(UsageError, match=why) as refused:
        install(client, URL, SECRET)
    assert SECRET not in str(refused.value)


def test_a_refused_url_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    client: Any = Webhooks()

    def refuse(*_: Any, **__: Any) -> None:
        raise MlflowException("Invalid webhook URL scheme: 'http'. Allowed schemes are: https.")

    monkeypatch.setattr(client, "create_webhook", refuse)
    with pytest.raises(UsageError, match="MLflow refused: Invalid webhook URL scheme"):
        install(client, "http://a/mlflow", SECRET)
