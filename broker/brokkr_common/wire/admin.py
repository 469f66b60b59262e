"""Administration of a running broker."""

from datetime import datetime

from brokkr_common.wire import base


class ConfigChange(base.Model, frozen=True, kw_only=True):
    key: str
    old_value: str
    new_value: str


class ConfigReload(base.Model, frozen=True, kw_only=True):
    """`message` says what is wrong, or which changed settings need a restart."""

    reloaded_at: datetime
    changes: list[ConfigChange] = []
    success: bool
    message: str | None = None
