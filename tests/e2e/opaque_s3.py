"""An S3 server for what real ones refuse to hold: any key, cold storage, requester pays.

Keys are bytes. What is asked for is looked up as it came, so a client that spells a key otherwise
gets a 404, as it would from AWS.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote_plus, unquote_to_bytes, urlsplit


@dataclass
class Stored:
    """One object and the headers it is served with."""

    data: bytes
    headers: dict[str, str] = field(default_factory=dict)
    storage: str = "STANDARD"


@dataclass
class OpaqueS3:
    """One bucket, `b`.

    Parameters
    ----------
    objects : dict of bytes to Stored
    paid : bool
        Only requests that say who pays are served.
    region : str
        Where it says that the bucket is.
    asked : list of (method, path, headers)
        Every request.
    """

    endpoint: str = ""
    objects: dict[bytes, Stored] = field(default_factory=dict)
    paid: bool = False
    region: str = ""
    page: int = 3
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    def listing(self, query: dict[str, list[str]]) -> bytes:
        """One page, keys encoded as AWS does it."""
        prefix = query.get("prefix", [""])[0].encode("utf-8", "surrogateescape")
        after = bytes.fromhex(query.get("continuation-token", [""])[0])
        most = min(self.page, int(query.get("max-keys", ["1000"])[0]))
        keys = sorted(k for k in self.objects if k.startswith(prefix) and k > after)
        page, more = keys[:most], len(keys) > most
        token = f"<NextContinuationToken>{page[-1].hex()}</NextContinuationToken>" if more else ""
        rows = "".join(
            f"<Contents><Key>{quote_plus(key, safe='/')}</Key><ETag>&quot;{key.hex()}&quot;</ETag>"
            f"<LastModified>2026-01-02T03:04:05.000Z</LastModified>"
            f"<Size>{len(self.objects[key].data)}</Size>"
            f"<StorageClass>{self.objects[key].storage}</StorageClass></Contents>"
            for key in page
        )
        return (
            f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{token}"
            f"<EncodingType>url</EncodingType>{rows}</ListBucketResult>"
        ).encode()

    def answer(self, path: str, headers: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers."""
        where = urlsplit(path)
        bucket, _, key = where.path.removeprefix("/").partition("/")
        if self.paid and headers.get("x-amz-request-payer") != "requester":
            return 403, _error("AccessDenied"), {}
        region = {"x-amz-bucket-region": self.region} if self.region else {}
        if bucket == "b" and not key:
            query = parse_qs(where.query, errors="surrogateescape")
            return 200, self.listing(query), {"Content-Type": "application/xml", **region}
        found = self.objects.get(unquote_to_bytes(key))
        if found is None:
            return 404, _error("NoSuchKey"), {}
        if found.storage in {"GLACIER", "DEEP_ARCHIVE"}:
            return 403, _error("InvalidObjectState"), {}
        tag = f'"{unquote_to_bytes(key).hex()}"'
        dated = {"ETag": tag, "Last-Modified": "Fri, 02 Jan 2026 03:04:05 GMT"}
        return 200, found.data, dated | found.headers


def _error(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()


@contextmanager
def opaque_s3() -> Iterator[OpaqueS3]:
    """Serve an empty bucket until the block ends."""
    held = OpaqueS3()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            # http.server folds leading slashes, which are part of a key.
            path = self.requestline.split(" ")[1]
            headers = {name.lower(): value for name, value in self.headers.items()}
            held.asked.append((self.command, path, headers))
            status, body, answered = held.answer(path, headers)
            self.send_response_only(status)
            for name, value in answered.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    held.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield held
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
