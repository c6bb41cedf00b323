"""A proxy in front of S3 that answers some requests the way a bad day does."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass
class Fault:
    """What to do to a request: answer `status` instead, or cut the body to `keep` bytes."""

    status: int = 0
    code: str = ""
    keep: int = -1


#: Given the path with its query and how often it was asked for before, the fault, if any.
Rule = Callable[[str, int], Fault | None]


@contextmanager
def faulty(endpoint: str, rule: Rule) -> Iterator[str]:
    """The proxy's endpoint; requests that `rule` lets pass go to the real one unchanged."""
    upstream = urlsplit(endpoint).netloc
    seen: dict[str, int] = {}
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with lock:
                count = seen.get(self.path, 0)
                seen[self.path] = count + 1
            fault = rule(self.path, count)
            if fault and fault.status:
                body = f"<Error><Code>{fault.code}</Code><Message>no</Message></Error>".encode()
                self._send(fault.status, {"Content-Type": "application/xml"}, body, len(body))
                return
            link = http.client.HTTPConnection(upstream, timeout=30)
            try:
                # The signature covers the Host header, so it travels as it came.
                sent = self.rfile.read(int(self.headers.get("Content-Length", 0))) or None
                link.request(self.command, self.path, sent, dict(self.headers))
                answer = link.getresponse()
                body = answer.read()
                length = len(body)
                if self.command == "HEAD":
                    length = int(answer.headers.get("Content-Length", 0))
                if fault and fault.keep >= 0:
                    body = body[: fault.keep]
                self._send(answer.status, dict(answer.headers), body, length)
                if fault:
                    self.close_connection = True
            finally:
                link.close()

        do_HEAD = do_PUT = do_GET

        def _send(self, status: int, headers: dict[str, str], body: bytes, length: int) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
