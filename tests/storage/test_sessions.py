"""Sessions of boto3 for one target and another."""

from __future__ import annotations

from flipad_ops.storage import S3Access


def test_sessions_share_what_boto_knows_of_services_and_nothing_else() -> None:
    one, other = (S3Access(anonymous=True, region=r)._resolve()[0] for r in ("eu-west-3", ""))
    models = [each._session.get_component("data_loader") for each in (one, other)]
    assert models[0] is models[1]
    assert (one.region_name, other.region_name == one.region_name) == ("eu-west-3", False)
