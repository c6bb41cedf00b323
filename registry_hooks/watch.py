"""What flipadops.toml says beside `[hooks]`: schedules and channels, checked together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flipad_ops.common.errors import UsageError
from registry_hooks.channels import Channel, load_channels
from registry_hooks.hook_settings import HookSettings
from registry_hooks.schedules import Schedule, load_schedules


@dataclass(frozen=True)
class Watch:
    """Schedules and the channels that hear of them."""

    schedules: tuple[Schedule, ...] = ()
    channels: Mapping[str, Channel] = field(default_factory=dict)

    def check(self) -> None:
        """Refuse at the start what would fail at night: channels without their secrets."""
        for channel in self.channels.values():
            channel.check()


def load_watch(path: Path | None, settings: HookSettings) -> Watch:
    """Read both lists of a file.

    Raises
    ------
    UsageError
    """
    channels = load_channels(path)
    for name in settings.on_failed_fit:
        if name not in channels:
            raise UsageError(f"[hooks] on_failed_fit names no [[notify]] {name!r}.")
    return Watch(load_schedules(path, tuple(channels)), channels)
