"""A decoding process: `python -m flipad_ops.samples.decoding_worker FD`, talking over a socket.

It gets bytes that strangers wrote, so it may die: nothing but this image is lost then. Replies
are a short JSON header and raw pixels, never a pickle: its parent trusts it no more than the
images.
"""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import socket
import struct
import sys
from contextlib import closing

import numpy as np

from flipad_ops.provenance import Stated
from flipad_ops.samples.decoder import Decoded, DecodeJob
from flipad_ops.samples.decoding_channel import Channel
from flipad_ops.samples.space import Values

#: Address space of one worker: enough for the largest image allowed, not for a bomb.
MEMORY_BYTES = 4 << 30


def pack(blobs: list[bytes]) -> bytes:
    """Blobs to one message: count, lengths, contents."""
    lengths = struct.pack(f"<I{len(blobs)}Q", len(blobs), *map(len, blobs))
    return b"".join((lengths, *blobs))


def unpack(message: bytes) -> list[bytes]:
    """The inverse of `pack`."""
    (count,) = struct.unpack_from("<I", message)
    lengths = struct.unpack_from(f"<{count}Q", message, 4)
    blobs, place = [], 4 + 8 * count
    for length in lengths:
        blobs.append(message[place : place + length])
        place += length
    return blobs


def encode_reply(decoded: Decoded) -> bytes:
    """Header line, then the values of every kind that fitted."""
    reasons = [fit if isinstance(fit, str) else None for fit in decoded.fits]
    header = [reasons, decoded.notes, decoded.stated.to_dict()]
    pixels = [fit.tobytes() for fit in decoded.fits if not isinstance(fit, str)]
    return b"".join((json.dumps(header).encode(), b"\n", *pixels))


def decode_reply(message: bytes, job: DecodeJob) -> Decoded:
    """The inverse of `encode_reply`; ValueError when it is not what `job` asks for."""
    header, _, body = message.partition(b"\n")
    reasons, notes, stated = json.loads(header)
    if not isinstance(reasons, list) or len(reasons) != len(job.spaces):
        raise ValueError("The header does not fit the job.")
    if not isinstance(notes, list) or len(notes) not in (0, len(job.spaces)):
        raise ValueError("The notes do not fit the job.")
    fits: list[Values | str] = []
    place = 0
    for reason, space in zip(reasons, job.spaces, strict=True):
        if reason is None:
            entries = np.frombuffer(body, space.dtype, math.prod(space.shape), place)
            fits.append(entries.reshape(space.shape))
            place += space.nbytes
        else:
            fits.append(str(reason))
    return Decoded(tuple(fits), notes=tuple(map(str, notes)), stated=Stated.from_dict(stated))


def main() -> None:
    """Serve until the parent closes its end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    # As root some systems allow raising a limit again; lowering it is all that is wanted.
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with closing(Channel(socket.socket(fileno=int(sys.argv[1])))) as parent:
        try:
            job = DecodeJob.from_json(parent.receive(MEMORY_BYTES))
            while True:
                for data in unpack(parent.receive(MEMORY_BYTES)):
                    parent.send(encode_reply(job.run(data)))
        except (EOFError, BrokenPipeError, ConnectionResetError):
            os._exit(0)


if __name__ == "__main__":
    main()
