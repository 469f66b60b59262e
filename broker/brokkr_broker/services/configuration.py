"""The settings of a running broker, and reading them again."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import uuid4

from brokkr_broker import config
from brokkr_broker.config import BrokerConfig
from brokkr_common import logs
from brokkr_common.settings import SettingsError
from brokkr_common.wire.admin import ConfigChange, ConfigReload

logger = logging.getLogger(__name__)


class Live:
    """`current` is what counts now. The file and the environment are read again on demand.

    `name` tells this process from the other brokers.
    """

    def __init__(self, current: BrokerConfig, environ: Mapping[str, str]) -> None:
        self.current = current
        self.name = uuid4().hex
        self._environ = environ

    async def reload(self) -> ConfigReload:
        """Take over what may change while the broker runs. A mistake leaves all as it is."""
        moment = datetime.now(UTC)
        try:
            wanted = await asyncio.to_thread(config.load, self._environ)
        except SettingsError as e:
            logger.warning("settings not reloaded", extra={"reason": str(e)})
            return ConfigReload(reloaded_at=moment, success=False, message=str(e))
        self.current, changes = config.reload(self.current, wanted)
        for change in changes:
            logger.info("setting changed", extra={"setting": change.key, "to": change.new_value})
            if change.key == "log.level":
                logs.set_level(change.new_value)
        static = config.need_restart(self.current, wanted)
        return ConfigReload(
            reloaded_at=moment,
            changes=[
                ConfigChange(key=c.key, old_value=c.old_value, new_value=c.new_value)
                for c in changes
            ],
            success=True,
            message=f"need a restart: {', '.join(static)}" if static else None,
        )
