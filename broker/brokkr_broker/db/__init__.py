"""Postgres itself: the pool, the statements' files, migrations, and an embedded server.

Knows no table. asyncpg does not leave this package and `dal`; psycopg is for migrations alone.
"""
