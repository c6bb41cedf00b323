"""Create the MLflow webhook that tells the receiver of new versions, and try it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flipad_ops.common.errors import UsageError
from flipad_ops.registry.store import all_pages, registry_errors

if TYPE_CHECKING:
    from mlflow import MlflowClient

NAME = "flipad-ops"
EVENTS = ("model_version.created",)
#: Names no version, so that the test puts no example model into the work table.
TEST_EVENT: Final = "registered_model.created"


@dataclass(frozen=True)
class Installed:
    """The webhook as it is now, and what its test gave."""

    webhook_id: str
    url: str
    created: bool
    answer: int | None


def install(client: MlflowClient, url: str, secret: str) -> Installed:
    """Create or update the webhook called `flipad-ops`, then let the server send a test event.

    The test wakes the reconciler, which finds what was registered before the webhook.

    Raises
    ------
    UsageError
        The server refuses the URL, or the test event was not accepted.
    """
    with registry_errors():
        found = _find(client)
        fields: dict[str, Any] = {"url": url, "events": list(EVENTS), "secret": secret}
        if found is None:
            webhook = client.create_webhook(
                NAME, description="New generator versions, for flipad_ops.", **fields
            )
        else:
            webhook = client.update_webhook(found.webhook_id, status="ACTIVE", **fields)
        result = client.test_webhook(webhook.webhook_id, TEST_EVENT)
    if not result.success:
        why = f"answer {result.response_status}" if result.response_status else "no answer"
        raise UsageError(
            f"The webhook is there, but {url} did not accept its test ({why}): is the receiver "
            "up, with the same secret, and can the MLflow server reach it?"
        )
    return Installed(str(webhook.webhook_id), url, found is None, result.response_status)


def _find(client: MlflowClient) -> Any:
    webhooks = all_pages(lambda token: client.list_webhooks(page_token=token))
    return next((webhook for webhook in webhooks if webhook.name == NAME), None)
