"""Who we are on S3, resolved by boto3: profile, role, region, refresh, endpoint. Never by keys."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flipad_ops.common.errors import TargetError, UsageError

#: Credentials are asked for again this often; botocore renews them ten minutes before they end.
CREDENTIAL_TTL = timedelta(minutes=5)
#: Whoever holds them as text asks again so long before.
MARGIN = timedelta(minutes=2)


@dataclass(frozen=True)
class S3Access:
    """How to reach S3; what is left empty comes from the environment, as boto3 resolves it.

    Parameters
    ----------
    profile, role_arn, region, endpoint_url : str
    anonymous : bool
        Send unsigned requests.
    """

    profile: str = ""
    role_arn: str = ""
    region: str = ""
    endpoint_url: str = ""
    anonymous: bool = False

    def store(self, bucket: str, prefix: str = "") -> Any:
        """An obstore `S3Store` of a bucket, rooted at `prefix`.

        Raises
        ------
        UsageError
            The profile does not exist, or roles are asked for without signing.
        TargetError
            No credentials were found.
        """
        from obstore.store import S3Store

        region, endpoint, provider = self._resolve()
        place: dict[str, Any] = {}
        if _is_custom(endpoint):
            place = {"endpoint": endpoint, "virtual_hosted_style_request": False}
        signing: dict[str, Any] = (
            {"skip_signature": True} if provider is None else {"credential_provider": provider}
        )
        return S3Store(
            bucket,
            prefix=prefix or None,
            region=region,
            client_options={
                "allow_http": endpoint.startswith("http://"),
                "connect_timeout": timedelta(seconds=10),
                "timeout": timedelta(seconds=120),
            },
            retry_config={"max_retries": 6, "retry_timeout": timedelta(seconds=60)},
            **place,
            **signing,
        )

    def client(self) -> Any:
        """A boto3 client for what obstore has no call for; raises what `store` raises."""
        import boto3
        from botocore import UNSIGNED
        from botocore.config import Config

        region, endpoint, provider = self._resolve()
        place = {"region_name": region, "endpoint_url": endpoint}
        if provider is None:
            return boto3.client("s3", config=Config(signature_version=UNSIGNED), **place)
        held = provider()
        return boto3.client(
            "s3",
            aws_access_key_id=held["access_key_id"],
            aws_secret_access_key=held["secret_access_key"],
            aws_session_token=held.get("token"),
            **place,
        )

    def text_options(self) -> Callable[[], dict[str, str]]:
        """What `store` is told, as text for delta-rs; call the answer for current credentials.

        Raises what `store` raises.
        """
        region, endpoint, provider = self._resolve()
        fixed = {
            "aws_region": region,
            "aws_conditional_put": "etag",
            "allow_http": str(endpoint.startswith("http://")).lower(),
            "connect_timeout": "10s",
            "timeout": "120s",
            "max_retries": "6",
            "retry_timeout": "60s",
        }
        if _is_custom(endpoint):
            fixed |= {"aws_endpoint": endpoint, "aws_virtual_hosted_style_request": "false"}

        held: dict[str, Any] = {}

        def options() -> dict[str, str]:
            if provider is None:
                return fixed | {"aws_skip_signature": "true"}
            if not held or held["expires_at"] < datetime.now(UTC) + MARGIN:
                held.update(provider())
            names = ("access_key_id", "secret_access_key", "session_token")
            values = (held["access_key_id"], held["secret_access_key"], held.get("token"))
            now = {f"aws_{name}": value for name, value in zip(names, values, strict=True) if value}
            if "aws_session_token" not in now and os.environ.get("AWS_SESSION_TOKEN"):
                # delta-rs takes what it is not told from the environment.
                raise UsageError(
                    "AWS_SESSION_TOKEN is set, but belongs to other credentials: unset it."
                )
            return fixed | now

        return options

    def _resolve(self) -> tuple[str, str, Callable[[], Any] | None]:
        """Region, endpoint, and what gives credentials; None for unsigned requests."""
        import boto3
        from botocore.exceptions import BotoCoreError
        from obstore.auth.boto3 import Boto3CredentialProvider, StsCredentialProvider

        if self.anonymous and self.role_arn:
            raise UsageError("--no-sign-request cannot take a role.")
        provider: Callable[[], Any] | None = None
        try:
            session = boto3.Session(
                profile_name=self.profile or None, region_name=self.region or None
            )
            client = session.client("s3", endpoint_url=self.endpoint_url or None)
            if self.role_arn:
                provider = StsCredentialProvider(
                    session, RoleArn=self.role_arn, RoleSessionName="flipadops-scan"
                )
            elif not self.anonymous:
                if session.get_credentials() is None:
                    raise TargetError(
                        "No AWS credentials found: set up a profile or role, or use "
                        "--no-sign-request for a public bucket."
                    )
                provider = Boto3CredentialProvider(session, ttl=CREDENTIAL_TTL)
        except (BotoCoreError, ValueError) as error:
            raise UsageError(f"S3 cannot be set up: {error}.") from error
        return session.region_name or "us-east-1", str(client.meta.endpoint_url), provider


def _is_custom(endpoint: str) -> bool:
    """Whether an endpoint is somebody's own S3 server."""
    return not endpoint.rstrip("/").endswith((".amazonaws.com", ".amazonaws.com.cn"))


#: Everything from the environment.
AS_CONFIGURED = S3Access()
