"""C2PA manifests, by c2pa-python (an extra): who signed, with what, and whether it holds."""

from __future__ import annotations

import io
from typing import Any

from flipad_ops.common.extras import install, missing
from flipad_ops.common.untrusted_json import parse
from flipad_ops.provenance.stated import Gathered

#: The description box of a manifest store: its type, and the UUID of C2PA.
_STORE = b"jumdc2pa\x00\x11\x00\x10\x80\x00\x00\xaa\x00\x38\x9b\x71"
#: A file must not make us ask an address that it names.
_SETTINGS = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}
MISSING = f"Its C2PA manifest was not read: {install('c2pa')}."


def read_c2pa(data: bytes, kind: str, found: Gathered) -> None:
    """The active manifest of a file, if it embeds one.

    Raises
    ------
    ValueError
        It cannot be read.
    """
    if _STORE not in data:
        return
    if missing("c2pa"):
        found.troubles.append(MISSING)
        return
    import c2pa

    c2pa.load_settings(_SETTINGS)
    try:
        with c2pa.Reader(f"image/{kind.lower()}", io.BytesIO(data)) as reader:
            store = parse(reader.json())
    except Exception as error:  # its parsers are written in Rust and raise classes of their own
        raise ValueError("no manifest") from error
    manifest = store["manifests"][store["active_manifest"]]
    agents = [info.get("name", "") for info in manifest.get("claim_generator_info") or ()]
    program = " ".join(filter(None, agents)) or manifest.get("claim_generator") or "unnamed program"
    signer = (manifest.get("signature_info") or {}).get("issuer") or "nobody named"
    state = str(store.get("validation_state") or "unknown").lower()
    found.c2pa = f"{program}, signed by {signer}, {state}"
    for assertion in manifest.get("assertions") or ():
        _assertion(assertion, found)


def _assertion(assertion: Any, found: Gathered) -> None:
    if not str(assertion.get("label", "")).startswith("c2pa.actions"):
        return
    for action in assertion["data"].get("actions") or ():
        if isinstance(uri := action.get("digitalSourceType"), str):
            found.source(uri)
        agent = action.get("softwareAgent")
        name = agent.get("name") if isinstance(agent, dict) else agent
        if isinstance(name, str):
            found.software.append(name)
