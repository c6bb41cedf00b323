"""One attempt to send one message; the words of an error never hold a URL or a secret."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import requests

from registry_hooks.channels import Channel
from registry_hooks.messages import render
from registry_hooks.signature import sign

#: MLflow's webhook headers under our name; the signature is made the same way.
ID, TIMESTAMP, SIGNATURE = "X-Flipad-Delivery-Id", "X-Flipad-Timestamp", "X-Flipad-Signature"
#: Slack cuts longer texts.
_LONGEST = 3000


class NotSent(Exception):
    """The message did not arrive; the text says why."""


def send(channel: Channel, delivery_id: str, payload: Mapping[str, Any]) -> None:
    """Send it once.

    Raises
    ------
    NotSent
    UsageError
        The channel's secrets are gone.
    """
    if channel.kind == "webhook":
        body = json.dumps({**payload, "id": delivery_id}, sort_keys=True).encode()
        stamp = str(int(time.time()))
        signature = sign(channel.secret(), delivery_id, stamp, body)
        _post(channel, body, {ID: delivery_id, TIMESTAMP: stamp, SIGNATURE: signature})
    elif channel.kind == "slack":
        _post(channel, json.dumps(slack(*render(payload, channel.title, channel.body))).encode())
    else:
        _apprise(channel, *render(payload, channel.title, channel.body))


def slack(title: str, body: str) -> dict[str, str]:
    """JSON that Slack, Mattermost and others take; inside a code block nothing is a mention."""
    for special, written in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("`", "'")):
        title, body = title.replace(special, written), body.replace(special, written)
    return {"text": f"*{title}*\n```\n{body[:_LONGEST]}\n```"}


def _post(channel: Channel, body: bytes, headers: Mapping[str, str] | None = None) -> None:
    try:
        answer = requests.post(
            channel.address(),
            data=body,
            headers={"Content-Type": "application/json", **(headers or {})},
            timeout=channel.timeout,
            # A redirect would carry the message to an address that nobody configured.
            allow_redirects=False,
        )
    except requests.RequestException as error:
        # Its own words hold the URL, which may be a secret.
        raise NotSent(type(error).__name__) from None
    if not 200 <= answer.status_code < 300:
        raise NotSent(f"answer {answer.status_code}")


def _apprise(channel: Channel, title: str, body: str) -> None:
    import apprise

    url = channel.address()
    target = apprise.Apprise()
    if not target.add(url) or not target.notify(
        body=body, title=title, body_format=apprise.NotifyFormat.TEXT
    ):
        # Apprise has no timeout per call and logs its reasons with addresses in them.
        raise NotSent("Apprise could not deliver it")
