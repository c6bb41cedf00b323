"""XMP: the program and the digital source type, from a stream of XML without entities."""

from __future__ import annotations

from collections.abc import Callable
from xml.parsers import expat

from flipad_ops.provenance.stated import Gathered

_SOFTWARE = ("Software", "CreatorTool", "AISystemUsed")
_SOURCE = "DigitalSourceType"


def read_xmp(data: bytes, found: Gathered) -> None:
    """Attributes and elements alike, in whatever place.

    Raises
    ------
    ValueError
        It is no XML, or declares entities: nothing of XMP does.
    """
    # No tree is built, so depth costs nothing; a doctype ends it in any encoding.
    parser = expat.ParserCreate(namespace_separator=" ")
    texts, inside = list[str](), [""]

    def doctype(*_: object) -> None:
        raise ValueError("declares entities")

    def start(name: str, attributes: dict[str, str]) -> None:
        inside[0] = _local(name)
        texts.clear()
        for key, value in attributes.items():
            _note(_local(key), value, found)
        if inside[0] == _SOURCE:
            _note(_SOURCE, attributes.get(_RESOURCE, ""), found)

    def end(name: str) -> None:
        if _local(name) == inside[0]:
            _note(inside[0], "".join(texts), found)
        inside[0] = ""

    def text(part: str) -> None:
        if inside[0] in (*_SOFTWARE, _SOURCE) and len(texts) < 1000:
            texts.append(part)

    handlers: dict[str, Callable[..., None]] = {
        "StartDoctypeDeclHandler": doctype,
        "StartElementHandler": start,
        "EndElementHandler": end,
        "CharacterDataHandler": text,
    }
    for name, handler in handlers.items():
        setattr(parser, name, handler)
    try:
        parser.Parse(data.strip(b"\0 \r\n\t"), True)
    except expat.ExpatError as error:
        raise ValueError("no XML") from error


_RESOURCE = "http://www.w3.org/1999/02/22-rdf-syntax-ns# resource"


def _local(name: str) -> str:
    return name.rpartition(" ")[2]


def _note(name: str, value: str, found: Gathered) -> None:
    if value and name in _SOFTWARE:
        found.software.append(value)
    elif value and name == _SOURCE:
        found.source(value)
