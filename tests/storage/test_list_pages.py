"""A page of a listing as this package reads it, beside boto3's reading of the same bytes."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_plus

import botocore.session
import pytest
from botocore.parsers import create_parser

from flipad_ops.storage import Item
from flipad_ops.storage.s3.list_pages import ITEMS, take_items

OBJECT = (
    "<Contents><Key>{key}</Key><LastModified>2026-01-02T03:04:05.678Z</LastModified>"
    "<ETag>&quot;5d41&quot;</ETag><Size>{size}</Size><Owner><ID>me</ID></Owner></Contents>"
)


def answer(*keys: str, size: str = "7", coding: str = "url", space: str = "") -> dict[str, Any]:
    head = f"<EncodingType>{coding}</EncodingType>" if coding else ""
    objects = "".join(OBJECT.format(key=key, size=size) for key in keys)
    body = (
        f"<ListBucketResult{space}><IsTruncated>true</IsTruncated>{head}{objects}"
        "<NextContinuationToken>next</NextContinuationToken>"
        "<CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes></ListBucketResult>"
    )
    return {"status_code": 200, "headers": {}, "body": body.encode()}


def parsed(response: dict[str, Any]) -> dict[str, Any]:
    service = botocore.session.Session().get_service_model("s3")
    shape = service.operation_model("ListObjectsV2").output_shape
    found: dict[str, Any] = create_parser("rest-xml").parse(response, shape)
    return found


@pytest.mark.parametrize("space", ["", ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'],
                         ids=["bare", "in S3's namespace"])  # fmt: skip
@pytest.mark.parametrize("coding", ["url", ""])
def test_items_and_the_rest_of_a_page_are_what_boto_reads(space: str, coding: str) -> None:
    keys = ["a/b.png", "a%20b+c%2B.png", "&amp;&lt;.png", "%FF.png"]
    boto = parsed(answer(*keys, coding=coding, space=space))
    response, custom = answer(*keys, coding=coding, space=space), dict[str, Any]()
    take_items(response_dict=response, customized_response_dict=custom)
    assert custom[ITEMS] == [
        Item(
            unquote_plus(o["Key"], errors="surrogateescape") if coding else o["Key"],
            o["Size"],
            o["LastModified"].timestamp(),
            o["ETag"],
        )
        for o in boto.pop("Contents")
    ]
    assert parsed(response) == boto


@pytest.mark.parametrize(
    "response",
    [answer("a") | {"status_code": 403}, answer("a") | {"body": b"<ListBucket"}],
    ids=["refused", "cut short"],
)
def test_what_is_no_page_is_left_to_boto(response: dict[str, Any]) -> None:
    before, custom = dict(response), dict[str, Any]()
    take_items(response_dict=response, customized_response_dict=custom)
    assert response == before
    assert custom == {}


def test_a_size_that_is_none_is_no_item() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        take_items(response_dict=answer("a", size="x"), customized_response_dict={})
