"""Notices to the other brokers of this database."""

from brokkr_broker.db import queries
from brokkr_broker.db.pool import Executor

SQL = queries.load(__name__)


async def send(db: Executor, *notices: tuple[str, str]) -> None:
    """Topics and their texts."""
    await db.execute(SQL.send, [topic for topic, _ in notices], [text for _, text in notices])
