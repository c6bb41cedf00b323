"""The `[[notify]]` tables of flipadops.toml: where messages go, with secrets kept out of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from jinja2 import TemplateSyntaxError
from pydantic.dataclasses import dataclass

from flipad_ops.common.config_file import root_of
from flipad_ops.common.config_tables import STRICT, Above0, AtLeast1, read_tables
from flipad_ops.common.errors import UsageError
from flipad_ops.common.extras import need
from registry_hooks.messages import BODY, TITLE, compiled
from registry_hooks.schedules import NAME


@dataclass(frozen=True, config=STRICT)
class Channel:
    """One place that is told.

    Parameters
    ----------
    name : str
    kind : {"webhook", "slack", "apprise"}
        Signed JSON as MLflow signs its webhooks; Slack's incoming-webhook JSON; or whatever an
        Apprise URL names (mailto, Teams, PagerDuty, ...).
    url : str
        Only for a webhook, whose secret is apart. Other URLs hold secrets.
    url_env, url_file, secret_env, secret_file : str
        Environment variable or file that holds the URL, or the webhook's secret.
    title, body : str
        Jinja2 templates; empty for ours.
    per_hour : int
        Messages at most; further ones wait.
    timeout : float
        Seconds for one attempt.
    """

    name: str
    kind: Literal["webhook", "slack", "apprise"]
    url: str = ""
    url_env: str = ""
    url_file: str = ""
    secret_env: str = ""
    secret_file: str = ""
    title: str = ""
    body: str = ""
    per_hour: AtLeast1 = 20
    timeout: Above0 = 15.0

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise UsageError(f"A channel cannot be called {self.name!r}.")
        if self.url and self.kind != "webhook":
            raise UsageError(
                f"[[notify]] {self.name}: this URL is a secret: use url_env or url_file."
            )
        if sum(map(bool, (self.url, self.url_env, self.url_file))) != 1:
            raise UsageError(f"[[notify]] {self.name} needs one of url, url_env, url_file.")
        secrets = sum(map(bool, (self.secret_env, self.secret_file)))
        if secrets != (self.kind == "webhook"):
            raise UsageError(
                f"[[notify]] {self.name}: a webhook needs secret_env or secret_file, and "
                "no other kind takes one."
            )
        try:
            compiled(self.title or TITLE)
            compiled(self.body or BODY)
        except TemplateSyntaxError as error:
            raise UsageError(f"[[notify]] {self.name}: template: {error.message}") from error

    def address(self, environment: Mapping[str, str] = os.environ) -> str:
        """The URL; a UsageError when its source is empty."""
        return self.url or _read(self.name, "url", self.url_env, self.url_file, environment)

    def secret(self, environment: Mapping[str, str] = os.environ) -> str:
        """The webhook's secret; a UsageError when its source is empty."""
        return _read(self.name, "secret", self.secret_env, self.secret_file, environment)

    def check(self, environment: Mapping[str, str] = os.environ) -> None:
        """Refuse at the start what would fail at the first message.

        Raises
        ------
        UsageError
        """
        url = self.address(environment)
        if self.kind == "webhook":
            self.secret(environment)
        if self.kind != "apprise":
            if not url.startswith(("https://", "http://")):
                raise UsageError(f"[[notify]] {self.name}: its URL is no http address.")
            return
        need("notify", f"[[notify]] {self.name}")
        import apprise

        if not apprise.Apprise().add(url):
            raise UsageError(f"[[notify]] {self.name}: Apprise does not know such a URL.")


def load_channels(path: Path | None) -> dict[str, Channel]:
    """The channels of a file by name.

    Raises
    ------
    UsageError
    """
    found: dict[str, Channel] = {}
    for channel in read_tables(path, "notify", Channel):
        if channel.name in found:
            raise UsageError(f"Two channels are called {channel.name}.")
        root = root_of(path)
        found[channel.name] = replace(
            channel,
            url_file=channel.url_file and str(Path(root, channel.url_file)),
            secret_file=channel.secret_file and str(Path(root, channel.secret_file)),
        )
    return found


def _read(name: str, what: str, variable: str, path: str, environment: Mapping[str, str]) -> str:
    if variable:
        text = environment.get(variable, "").strip()
        if not text:
            raise UsageError(f"[[notify]] {name}: set {variable}, which should hold its {what}.")
        return text
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"[[notify]] {name}: its {what}_file cannot be read.") from error
    if not text:
        raise UsageError(f"[[notify]] {name}: its {what}_file is empty.")
    return text
