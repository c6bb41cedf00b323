"""Who we are on S3, resolved by boto3: profile, role, region, refresh, endpoint. Never by keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flipad_ops.errors import TargetError, UsageError

#: Credentials are asked for again this often; botocore renews them ten minutes before they end.
CREDENTIAL_TTL = timedelta(minutes=5)


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
        import boto3
        from botocore.exceptions import BotoCoreError
        from obstore.auth.boto3 import Boto3CredentialProvider, StsCredentialProvider
        from obstore.store import S3Store

        if self.anonymous and self.role_arn:
            raise UsageError("--no-sign-request cannot take a role.")
        try:
            session = boto3.Session(
                profile_name=self.profile or None, region_name=self.region or None
            )
            client = session.client("s3", endpoint_url=self.endpoint_url or None)
            signing: dict[str, Any] = {"skip_signature": True}
            if self.role_arn:
                signing = {
                    "credential_provider": StsCredentialProvider(
                        session, RoleArn=self.role_arn, RoleSessionName="flipadops-scan"
                    )
                }
            elif not self.anonymous:
                if session.get_credentials() is None:
                    raise TargetError(
                        "No AWS credentials found: set up a profile or role, or use "
                        "--no-sign-request for a public bucket."
                    )
                signing = {
                    "credential_provider": Boto3CredentialProvider(session, ttl=CREDENTIAL_TTL)
                }
        except (BotoCoreError, ValueError) as error:
            raise UsageError(f"S3 cannot be set up: {error}.") from error
        endpoint = str(client.meta.endpoint_url)
        place: dict[str, Any] = {}
        if not endpoint.rstrip("/").endswith((".amazonaws.com", ".amazonaws.com.cn")):
            place = {"endpoint": endpoint, "virtual_hosted_style_request": False}
        return S3Store(
            bucket,
            prefix=prefix or None,
            region=session.region_name or "us-east-1",
            client_options={
                "allow_http": endpoint.startswith("http://"),
                "connect_timeout": timedelta(seconds=10),
                "timeout": timedelta(seconds=120),
            },
            retry_config={"max_retries": 6, "retry_timeout": timedelta(seconds=60)},
            **place,
            **signing,
        )


#: Everything from the environment.
AS_CONFIGURED = S3Access()
