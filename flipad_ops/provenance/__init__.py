"""What a file says of its own making, read from untrusted bytes; never proof of anything."""

from flipad_ops.provenance.png_texts import without_text
from flipad_ops.provenance.read_stated import read_stated
from flipad_ops.provenance.stated import NOTHING, Stated

__all__ = ["NOTHING", "Stated", "read_stated", "without_text"]
