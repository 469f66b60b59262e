"""A fresh database for each test, copied from one that was migrated once."""

from functools import cached_property
from uuid import uuid4

import psycopg

from brokkr_broker.db import migrate
from brokkr_broker.db.embedded import Server


class Databases:
    def __init__(self, server: Server) -> None:
        self._server = server

    @cached_property
    def template(self) -> str:
        name = "template_brokkr"
        self.empty(name)
        migrate.migrate(self._server.url(name), "public")
        return name

    def empty(self, name: str) -> str:
        self._execute(f'CREATE DATABASE "{name}"')
        return self._server.url(name)

    def create(self) -> str:
        name = f"test_{uuid4().hex[:12]}"
        template = self.template
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self._server.url(name)

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._server.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[arg-type]
