"""Notices to the other brokers of this database."""

from brokkr_broker.db import queries
from brokkr_broker.db.pool import Executor

SQL = queries.load(__name__)


async def send(db: Executor, topic: str, text: str) -> None:
    await db.execute(SQL.send, topic, text)
