"""500 signed deliveries a second for 30 s against a real receiver whose table is a year old:
answers, latency, table, status page and metrics.

    nice python -m benchmarks.hook_load [--rate 500] [--seconds 30]

`flipadops hooks up` runs as its own process on SQLite; this one sends at fixed times over kept
connections and measures each answer from when it was *due*, so that a slow receiver cannot hide
behind a slow sender. One delivery in ten repeats the one before it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.frame.results import RESULTS, write_json
from benchmarks.hook_parts import year
from benchmarks.hook_parts.house import SECRET, Service, machine
from registry_hooks.fit_jobs import FitQueue
from registry_hooks.schema import QUEUED
from registry_hooks.signature import ID, SIGNATURE, TIMESTAMP, sign

PAGES = {"status_page": "/", "metrics": "/metrics"}


def request(number: int) -> bytes:
    """One delivery as bytes on the wire; every tenth repeats its predecessor's id and version."""
    number -= number % 10 == 9
    data = {"name": f"gan-{number % 50}", "version": str(number), "source": "models:/m-1"}
    event = {"entity": "model_version", "action": "created", "timestamp": "t", "data": data}
    body = json.dumps(event).encode()
    stamp = str(int(time.time()))
    head = {
        "Host": "127.0.0.1",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        ID: f"delivery-{number}",
        TIMESTAMP: stamp,
        SIGNATURE: sign(SECRET, f"delivery-{number}", stamp, body),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    return f"POST /mlflow HTTP/1.1\r\n{lines}\r\n".encode() + body


async def _sender(
    port: int, numbers: list[int], began: float, rate: int, answers: list[tuple[int, float]]
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    # Made before: signing must not slow the sender down.
    for number, ready in [(number, request(number)) for number in numbers]:
        due = began + number / rate
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        writer.write(ready)
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(
            int(line.split(":")[1])
            for line in head.lower().split("\r\n")
            if line.startswith("content-length")
        )
        await reader.readexactly(length)
        answers.append((int(head.split()[1]), time.monotonic() - due))
    writer.close()


async def load(port: int, rate: int, seconds: int, connections: int) -> list[tuple[int, float]]:
    """(status, seconds since due) of every delivery."""
    answers: list[tuple[int, float]] = []
    began = time.monotonic() + 8.0
    await asyncio.gather(
        *(
            _sender(port, list(range(c, rate * seconds, connections)), began, rate, answers)
            for c in range(connections)
        )
    )
    return answers


def main() -> None:
    """Run it and write results/hook_load.json."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=int, default=500)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--connections", type=int, default=64)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        # No registry: a reconciler that finds these versions missing would write beside the load.
        service = Service(Path(folder), registry="http://127.0.0.1:9")
        table = FitQueue(service.table)
        year.fill(table)
        table.close()
        service.up("--workers", "0")
        try:
            base = f"http://127.0.0.1:{service.port}"
            pages = {name: year.seconds_of(base + path) for name, path in PAGES.items()}
            before = time.monotonic()
            answers = asyncio.run(
                load(service.port, options.rate, options.seconds, options.connections)
            )
            took = time.monotonic() - before
            metrics = service.metrics()
        finally:
            service.stop()
        table = FitQueue(service.table)
        found = table.rows(QUEUED)
        rows = {(row.model, row.version) for row in found}
        count, states = len(found), table.counts()
        table.close()
        size = year.megabytes(Path(folder))
    sent = options.rate * options.seconds
    wanted = {number - (number % 10 == 9) for number in range(sent)}
    expected = {(f"gan-{number % 50}", number) for number in wanted}
    times = sorted(seconds for _, seconds in answers)
    latency = {
        name: round(1000 * times[min(len(times) - 1, int(share * len(times)))], 1)
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))
    }
    result = {
        "summary": {
            "latency_ms_p99": latency["p99"],
            "status_page_ms_first": pages["status_page"]["first"],
            "status_page_ms_p50": pages["status_page"]["p50"],
            "metrics_ms_p50": pages["metrics"]["p50"],
            "fits": year.FITS,
            "scans": year.SCANS,
            "table_mb": size,
        },
        "machine": machine(),
        "load_average_1min_at_end": os.getloadavg()[0],
        "rate_per_s": options.rate,
        "seconds": options.seconds,
        "sent": sent,
        "answers": dict(Counter(str(status) for status, _ in answers)),
        "achieved_per_s": round(sent / (took - 8.0), 1),
        "latency_ms": latency,
        "pages_ms": pages,
        "within_100_ms": round(sum(each <= 0.1 for each in times) / len(times), 4),
        "rows": count,
        "states": states,
        "table_as_expected": rows == expected and count == len(expected),
        "receiver_counted": [line for line in metrics.splitlines() if "deliveries_total{" in line],
    }
    print(write_json(RESULTS / "hook_load.json", result, indent=2))


if __name__ == "__main__":
    main()
