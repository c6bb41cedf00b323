"""Pages of a listing without boto3's parser, which takes four times as long for an object."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus
from xml.etree import ElementTree

from flipad_ops.storage.target import Item

#: Where boto3's answer holds the items of a page.
ITEMS = "flipad_ops.items"


def take_items(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any
) -> None:
    """Of a page as it came: objects become items, all else is left for boto3 to read.

    A handler of botocore's event `before-parse.s3.ListObjectsV2`. Raises ValueError for a size or
    date that is none.
    """
    if response_dict["status_code"] != 200:
        return
    try:
        page = ElementTree.fromstring(response_dict["body"])  # noqa: S314 - as boto3 reads it
    except ElementTree.ParseError:
        return  # boto3 says so too
    name = page.tag[: page.tag.find("}") + 1]
    coded = page.findtext(f"{name}EncodingType") == "url"
    objects = page.findall(f"{name}Contents")
    customized_response_dict[ITEMS] = [_item(found, name, coded) for found in objects]
    page[:] = [part for part in page if part.tag != f"{name}Contents"]
    response_dict["body"] = ElementTree.tostring(page)


def _item(found: ElementTree.Element, name: str, coded: bool) -> Item:
    key = found.findtext(f"{name}Key", "")
    return Item(
        unquote_plus(key, errors="surrogateescape") if coded else key,
        int(found.findtext(f"{name}Size", "")),
        moment(found.findtext(f"{name}LastModified", "")),
        found.findtext(f"{name}ETag", ""),
    )


def moment(text: str) -> float:
    """A date as servers write it to seconds since the epoch; boto3's reading is slow."""
    if text[10:11] == "T" and text.endswith("Z"):
        with suppress(ValueError):
            return datetime.fromisoformat(text).timestamp()
    from botocore.utils import parse_timestamp

    return float(parse_timestamp(text).timestamp())
