"""Who we are on S3, resolved by boto3: profile, role, region, refresh, endpoint. Never by keys."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from flipad_ops.common.errors import TargetError, UsageError
from flipad_ops.common.extras import need
from flipad_ops.storage.s3.list_pages import take_items

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
    requester_pays : bool
        Pay for requests to buckets whose owners do not.
    """

    profile: str = ""
    role_arn: str = ""
    region: str = ""
    endpoint_url: str = ""
    anonymous: bool = False
    requester_pays: bool = False

    def store(self, bucket: str) -> Any:
        """An obstore `S3Store` of a bucket.

        Raises
        ------
        UsageError
            The profile does not exist, or roles are asked for without signing.
        TargetError
            No credentials were found.
        """
        from obstore.store import S3Store

        session, provider = self._resolve()
        endpoint, virtual = self._place(session, bucket)
        signing: dict[str, Any] = (
            {"skip_signature": True} if provider is None else {"credential_provider": provider}
        )
        return S3Store(
            bucket,
            region=session.region_name,
            endpoint=endpoint,
            virtual_hosted_style_request=virtual,
            request_payer=self.requester_pays,
            client_options={
                "allow_http": endpoint.startswith("http://"),
                "connect_timeout": timedelta(seconds=10),
                "timeout": timedelta(seconds=120),
            },
            retry_config={"max_retries": 6, "retry_timeout": timedelta(seconds=60)},
            **signing,
        )

    def client(self) -> Any:
        """A boto3 client for what obstore cannot ask; raises what `store` raises."""
        from botocore import UNSIGNED

        session, provider = self._resolve()
        client = self._client_of(
            session,
            connect_timeout=10,
            read_timeout=120,
            retries={"mode": "standard", "max_attempts": 7},
            max_pool_connections=64,  # listings side by side, and reads beside them
            signature_version=UNSIGNED if provider is None else None,
        )
        client.meta.events.register("before-parse.s3.ListObjectsV2", take_items)
        if self.requester_pays:
            client.meta.events.register("provide-client-params.s3", _pay)
        return client

    def _client_of(self, session: Any, **config: Any) -> Any:
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        place = self.endpoint_url or None
        try:
            return session.client("s3", endpoint_url=place, config=Config(**config))
        except (BotoCoreError, ValueError) as error:
            raise _unusable(error) from error

    def text_options(self, bucket: str) -> Callable[[], dict[str, str]]:
        """What `store` is told, as text for delta-rs; call the answer for current credentials.

        Raises what `store` raises.
        """
        session, provider = self._resolve()
        endpoint, virtual = self._place(session, bucket)
        fixed = {
            "aws_region": session.region_name,
            "aws_endpoint": endpoint,
            "aws_virtual_hosted_style_request": str(virtual).lower(),
            "aws_request_payer": str(self.requester_pays).lower(),
            "aws_conditional_put": "etag",
            "allow_http": str(endpoint.startswith("http://")).lower(),
            "connect_timeout": "10s",
            "timeout": "120s",
            "max_retries": "6",
            "retry_timeout": "60s",
        }
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

    def _resolve(self) -> tuple[Any, Callable[[], Any] | None]:
        """A boto3 session with region, and what gives credentials; None for unsigned requests."""
        need("s3", "S3")
        from botocore.exceptions import BotoCoreError
        from obstore.auth.boto3 import Boto3CredentialProvider, StsCredentialProvider

        if self.anonymous and self.role_arn:
            raise UsageError("--no-sign-request cannot take a role.")
        try:
            session = _session(self.profile, self.region)
            if self.anonymous:
                return session, None
            if self.role_arn:
                provider = StsCredentialProvider(
                    session, RoleArn=self.role_arn, RoleSessionName="flipadops-scan"
                )
                return _in_role(provider, session.region_name, self.profile), provider
            if session.get_credentials() is None:
                raise TargetError(
                    "No AWS credentials found: set up a profile or role, or use "
                    "--no-sign-request for a public bucket."
                )
            return session, Boto3CredentialProvider(session, ttl=CREDENTIAL_TTL)
        except (BotoCoreError, ValueError) as error:
            raise _unusable(error) from error

    def _place(self, session: Any, bucket: str) -> tuple[str, bool]:
        """The address that boto3 asks for a bucket, and whether it names the bucket itself.

        boto3 says so only in a request; one is made up to the sending.
        """
        from botocore import UNSIGNED
        from botocore.awsrequest import AWSResponse
        from botocore.exceptions import BotoCoreError
        from urllib3 import HTTPResponse

        asked = []

        def keep(request: Any, **_: Any) -> AWSResponse:
            asked.append(urlsplit(request.url))
            body = HTTPResponse(io.BytesIO(), preload_content=False)
            return AWSResponse(request.url, 200, {}, body)

        client = self._client_of(session, signature_version=UNSIGNED)
        client.meta.events.register("before-send.s3", keep)
        try:
            client.head_object(Bucket=bucket, Key="key")
        except (BotoCoreError, ValueError) as error:
            raise UsageError(f"Bucket {bucket!r} cannot be asked: {_one_line(error)}.") from error
        folder = asked[0].path.removesuffix("/key")
        virtual = folder.rpartition("/")[2] != bucket
        place = folder if virtual else folder.rpartition("/")[0]
        return f"{asked[0].scheme}://{asked[0].netloc}{place}", virtual


def _session(profile: str, region: str) -> Any:
    """A boto3 session; what is left empty comes from the environment."""
    import boto3

    session = boto3.Session(profile_name=profile or None)
    core = session._session
    core.set_config_variable("region", region or session.region_name or "us-east-1")
    core.register_component("data_loader", _loader(core.get_config_variable("data_path")))
    return session


@cache
def _loader(data_path: str | None) -> Any:
    """Megabytes of JSON say what clients can ask: they are read once, not for every session."""
    from botocore.loaders import create_loader

    return create_loader(data_path)


def _in_role(provider: Callable[[], Any], region: str, profile: str) -> Any:
    """A session whose credentials are those of a role, renewed before they end."""
    from botocore.credentials import DeferredRefreshableCredentials

    def renewed() -> dict[str, Any]:
        held = provider()
        return {
            "access_key": held["access_key_id"],
            "secret_key": held["secret_access_key"],
            "token": held.get("token"),
            "expiry_time": held["expires_at"].isoformat(),
        }

    session = _session(profile, region)
    session._session._credentials = DeferredRefreshableCredentials(renewed, "sts-assume-role")
    return session


def _pay(params: dict[str, Any], model: Any, **_: Any) -> dict[str, Any]:
    known = "RequestPayer" in model.input_shape.members
    return params | {"RequestPayer": "requester"} if known else params


def _unusable(error: Exception) -> UsageError:
    return UsageError(f"S3 cannot be set up: {_one_line(error)}.")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).removesuffix(".")


#: Everything from the environment.
AS_CONFIGURED = S3Access()
