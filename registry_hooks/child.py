"""The environment of what the hooks start: all of ours but for the receiver's secret."""

from __future__ import annotations

import os

from flipad_ops.common.tracing import child
from registry_hooks.signature import SECRET, SECRET_FILE


def child_environment(**more: str) -> dict[str, str]:
    """This process's environment and `more`, without the webhook's secret.

    A fit loads what others registered and a scan reads what others uploaded; neither has a use
    for what deliveries are signed with. A trace goes on there.
    """
    return {k: v for k, v in os.environ.items() if k not in (SECRET, SECRET_FILE)} | child() | more
