"""What may be posted to the receiver of the hooks: 202 accepted, 401 refused, 413 too large."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from registry_hooks.receiver import BODY_LIMIT
from registry_hooks.signature import ID, SIGNATURE, TIMESTAMP, sign
from tests.registry_hooks.asgi import Reply

NOW = 1_000_000
DATA: dict[str, Any] = {
    "name": "gan",
    "version": "3",
    "source": "models:/m-1",
    "run_id": None,
    "tags": {},
    "description": None,
}
Post = Callable[..., Reply]


def event(entity: str = "model_version", action: str = "created", **data: Any) -> bytes:
    """A body as MLflow sends it."""
    payload = {"entity": entity, "action": action, "timestamp": "t", "data": {**DATA, **data}}
    return json.dumps(payload).encode()


#: Signed, so MLflow's own, but about no new version to be looked after: 202, nothing queued.
IGNORED: dict[str, bytes] = {
    "a new model": event("registered_model"),
    "a tag": event("model_version_tag", "set"),
    "a prompt": event("prompt_version"),
    "a version of an attributor": event(
        name="gan-attributor", tags={"flipad.generator": "gan", "flipad.generator_version": "3"}
    ),
    "a version of an excluded model": event(name="scratch"),
    "an empty name": event(name=""),
    "a list for a name": event(name=["gan"]),
    "a name of 257 letters": event(name="x" * 257),
    "half a surrogate in the name": event(name="half \ud800"),
    "a NUL in the name": event(name="a\0b"),
    "version -1": event(version="-1"),
    "a version of ten digits": event(version="1" * 10),
    "an Arabic digit for a version": event(version="\u0663"),
    "no version": event(version=None),
    "a list": b"[]",
    "an empty object": b"{}",
    "no JSON": b"not json",
    "bytes that are no text": b"\xff\xfe",
    "deeply nested": b'{"data": ' + b"[" * 100_000,
    "empty": b"",
}
#: Not MLflow's: the same words for every reason, nothing queued.
REFUSED: dict[str, tuple[int, Callable[[Post], Reply]]] = {
    "a made-up signature": (401, lambda post: post(event(), headers={SIGNATURE: "v1,AAAA"})),
    "signed with another secret": (
        401,
        lambda post: post(
            event(), headers={SIGNATURE: sign("another secret", "d-1", str(NOW), event())}
        ),
    ),
    "another delivery's signature": (401, lambda post: post(event(), headers={ID: "d-2"})),
    "another time than signed": (
        401,
        lambda post: post(event(), headers={TIMESTAMP: str(NOW + 1)}),
    ),
    "a time that is no number": (401, lambda post: post(event(), headers={TIMESTAMP: "now"})),
    "an empty signature": (401, lambda post: post(event(), headers={SIGNATURE: ""})),
    "a replay after five minutes": (401, lambda post: post(event(), timestamp=NOW - 301)),
    "from the future": (401, lambda post: post(event(), timestamp=NOW + 301)),
    "an altered body": (401, lambda post: post(event(), parts=[event(version="4")])),
    "cut short": (401, lambda post: post(event(), parts=[event()[:20]])),
    "cut off by the sender": (
        401,
        lambda post: post(event(), parts=[event()[:20]], disconnect=True),
    ),
    "a body over the limit": (413, lambda post: post(b" " * (BODY_LIMIT + 1))),
    "a length over the limit": (
        413,
        lambda post: post(b"", headers={"content-length": "100000000"}),
    ),
    "a length in words": (413, lambda post: post(b"", headers={"content-length": "many"})),
    "a negative length": (413, lambda post: post(b"", headers={"content-length": "-5"})),
}
