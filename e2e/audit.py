"""What the agents asked of the API server, from its own audit log."""

import json
from pathlib import Path
from typing import Any

import pytest

from clusters import Cluster

WRITES = {"create", "update", "patch", "delete", "deletecollection"}


class Audit:
    """Requests since a mark. NB: all agents of the cluster; leases and dry runs do not count."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0

    def mark(self) -> None:
        self._position = self._path.stat().st_size

    def requests(self) -> list[dict[str, Any]]:
        with self._path.open("rb") as log:
            log.seek(self._position)
            return [json.loads(line) for line in log if line.endswith(b"\n")]

    def writes(self) -> list[str]:
        return [
            f"{r['verb']} {r['requestURI']}"
            for r in self.requests()
            if r["verb"] in WRITES
            and "dryRun=All" not in r["requestURI"]
            and (r.get("objectRef") or {}).get("resource") != "leases"
        ]

    def lists(self) -> list[str]:
        return [r["requestURI"] for r in self.requests() if r["verb"] == "list"]


def of(cluster: Cluster) -> Audit:
    if cluster.audit_log is None:
        pytest.skip("this cluster shows no audit log")
    return Audit(cluster.audit_log)
