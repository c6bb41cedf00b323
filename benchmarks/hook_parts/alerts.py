"""A channel that counts what it is told, and what there was to tell."""

from __future__ import annotations

import contextlib
import json
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from random import Random

from registry_hooks.scan_run import read_findings
from tests.registry_hooks.listeners import Listener, serving

#: One answer in so many is an error, so that messages are sent again.
REFUSED = 10


class Alerts:
    """Messages by the finding that they name; a message that came again under its id is one."""

    def __init__(self, seed: int) -> None:
        self._lock, self._chance = threading.Lock(), Random(seed)
        self._messages: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        self._ids = Counter[str]()
        self.url, self.refused, self.unnamed = "", 0, 0

    def take(self, path: str, body: bytes) -> int:
        """Note a message; the answer's status."""
        message = json.loads(body)
        with self._lock:
            if self._chance.randrange(REFUSED) == 0:
                self.refused += 1
                return 503
            self._ids[message["id"]] += 1
            listed = message.get("findings") or message.get("failures") or []
            if self._ids[message["id"]] == 1:
                self.unnamed += message["new"] - len(listed)
            for each in listed:
                name = each.get("sha256") or f"failed at {message['scan']['started']}"
                self._messages[path][name].add(message["id"])
        return 200

    def told(self, path: str) -> Counter[str]:
        """How many messages named each finding."""
        with self._lock:
            return Counter({key: len(ids) for key, ids in self._messages[path].items()})

    def sent_again(self) -> int:
        """Messages that arrived once more under the same id."""
        with self._lock:
            return sum(count - 1 for count in self._ids.values())


@contextlib.contextmanager
def receiving(seed: int) -> Iterator[Alerts]:
    """A server on a free port of 127.0.0.1 while the block runs; any path is a channel."""
    alerts = Alerts(seed)

    class Handler(Listener):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(alerts.take(self.path, body))
            self.send_header("Content-Length", "0")
            self.end_headers()

    with serving(Handler) as alerts.url:
        yield alerts


def findings_of(logs: Path) -> set[str]:
    """Digests of the pictures that complete records below a service's logs call."""
    found = set[str]()
    for records in logs.glob("scans/*/*/records.jsonl"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            # Without its last line the scan was cut off, and its successor has them again.
            if json.loads(records.read_text().splitlines()[-1])["type"] == "summary":
                found |= {str(each["sha256"]) for each in read_findings(records.parent)}
    return found
