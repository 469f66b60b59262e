"""The broker: desired state in Postgres, behind a REST API.

A request goes one way: `api` (HTTP) -> `services` (use cases, transactions) -> `dal` (SQL).
Nothing calls upward.
"""
