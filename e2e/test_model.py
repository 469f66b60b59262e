"""The model of the API server answers as the real one does, request by request."""

import os
import random
from typing import Any

import pytest

from brokkr_operator.clients.kube import access
from brokkr_operator.clients.kube.session import APPLY, MERGE, Session
from brokkr_operator.errors import KubeError
from brokkr_operator.resources import names
from clusters import Cluster
from definitions import install
from model.agent import ModelWire, Wire
from model.apiserver import ApiServer

REQUESTS = 200
_VOLATILE = {
    "uid", "resourceVersion", "creationTimestamp", "managedFields", "selfLink", "generateName",
}  # fmt: skip


@pytest.mark.parametrize("seed", range(int(os.environ.get("BROKKR_MODEL_SEEDS", "8"))))
async def test_the_model_answers_as_the_real_one(cluster: Cluster, seed: int, unique: str) -> None:
    real = Session(await access.load(str(cluster.kubeconfig)))
    try:
        await install(real)
        pair = _Pair(ModelWire(ApiServer()), real, random.Random(seed), unique)
        await pair.do("POST", "/api/v1/namespaces", body=_object("v1", "Namespace", unique))
        for _ in range(REQUESTS):
            await pair.one()
        await pair.do("DELETE", f"/api/v1/namespaces/{unique}")
        body = _object("v1", "ConfigMap", "late")
        await pair.do("POST", f"/api/v1/namespaces/{unique}/configmaps", body=body)
    finally:
        await real.close()


class _Pair:
    """The same request to both, and the answers compared."""

    def __init__(self, model: Wire, real: Session, chance: random.Random, place: str) -> None:
        self._model = model
        self._real = real
        self._chance = chance
        self._place = place
        self._log: list[str] = []

    async def one(self) -> None:
        chance, maps = self._chance, f"/api/v1/namespaces/{self._place}/configmaps"
        stacks = "/apis/brokkr.io/v1/brokkrstacks"
        name = f"{self._place}-{chance.choice('abc')}"
        match chance.randrange(10):
            case 0 | 1 | 2:
                params = {"fieldManager": chance.choice([names.FIELD_MANAGER, "other"])}
                params |= {"force": "true"} | chance.choice([{}, {"dryRun": "All"}])
                body = self._config_map(name)
                await self.do(
                    "PATCH", f"{maps}/{name}", params=params, body=body, content_type=APPLY
                )
            case 3:
                await self.do("POST", maps, body=self._config_map(name))
            case 4:
                patch = {"data": {chance.choice("xyz"): chance.choice(["1", "2", None])}}
                await self.do("PATCH", f"{maps}/{name}", body=patch, content_type=MERGE)
            case 5:
                await self._delete(f"{maps}/{name}")
            case 6:
                await self.do("POST", stacks, body=_stack(name))
                status = {"status": {"objects": chance.randrange(3), "inventory": []}}
                path = f"{stacks}/{name}/status"
                await self.do("PATCH", path, body=status, content_type=MERGE)
            case 7:
                patch = {"spec": {"suspend": chance.random() < 0.5}, "status": {"objects": 9}}
                await self.do("PATCH", f"{stacks}/{name}", body=patch, content_type=MERGE)
                await self.do("GET", f"{stacks}/{name}")
            case 8:
                await self._delete(f"{stacks}/{name}")
            case _:
                selector = chance.choice(["l", "l=1", "l=2", "none"])
                await self.do("GET", maps, params={"labelSelector": selector})
                await self.do("GET", f"{maps}/{name}")

    async def _delete(self, path: str) -> None:
        """With the preconditions that hold, or some that do not."""
        bodies = []
        for wire in (self._model, self._real):
            try:
                _, live = await wire.request("GET", path, operation="get")
            except KubeError:
                live = {"metadata": {"uid": "none", "resourceVersion": "1"}}
            metadata = live["metadata"]
            bodies.append({f: metadata[f] for f in ("uid", "resourceVersion")})
        if self._chance.random() < 0.3:
            bodies = [{**b, "resourceVersion": "1"} for b in bodies]
        answers = [
            await _ask(wire, "DELETE", path, {"body": {"preconditions": b}})
            for wire, b in zip((self._model, self._real), bodies, strict=True)
        ]
        self._compare(f"DELETE {path}", [answer[:1] for answer in answers])

    async def do(self, method: str, path: str, **options: Any) -> None:
        answers = [await _ask(wire, method, path, options) for wire in (self._model, self._real)]
        self._compare(f"{method} {path} {options}", answers)

    def _compare(self, request: str, answers: list[Any]) -> None:
        self._log.append(request)
        ours, theirs = answers
        path = request.split()[1]
        assert ours == theirs, "\n".join(line for line in self._log if path in line)

    def _config_map(self, name: str) -> dict[str, Any]:
        chance = self._chance
        body = _object("v1", "ConfigMap", name)
        body["metadata"]["labels"] = {"l": chance.choice("12"), chance.choice("mn"): "1"}
        if chance.random() < 0.8:
            some = chance.sample("xyz", chance.randint(0, 3))
            body["data"] = {key: chance.choice(["1", "2"]) for key in some}
        if chance.random() < 0.1:
            body["data"] = {"x": {"deep": 1}}
        if chance.random() < 0.1:
            body["immutable"] = True
        return body


async def _ask(wire: Wire, method: str, path: str, options: dict[str, Any]) -> Any:
    """What an agent makes of the answer: a status and an object, or the meaning of an error."""
    try:
        status, body = await wire.request(method, path, operation="test", **options)
    except KubeError as e:
        return type(e).__name__, e.status, e.reason
    if method == "DELETE":
        return (status,)
    if "items" in body:
        return status, sorted(i["metadata"]["name"] for i in body["items"])
    return status, _plain(body), _applied(body)


def _applied(body: dict[str, Any]) -> bool:
    """What the agent reads of managed fields."""
    managers = body["metadata"].get("managedFields") or ()
    return any(m["manager"] == names.FIELD_MANAGER and m["operation"] == "Apply" for m in managers)


def _plain(body: dict[str, Any]) -> dict[str, Any]:
    metadata = {k: v for k, v in body["metadata"].items() if k not in _VOLATILE and v}
    labels = metadata.get("labels") or {}
    labels.pop("kubernetes.io/metadata.name", None)
    if not labels:
        metadata.pop("labels", None)
    rest = {k: v for k, v in body.items() if k not in ("metadata", "spec") and v}
    spec = {
        k: v for k, v in (body.get("spec") or {}).items() if k not in ("finalizers", "targeted")
    }
    return {**rest, "metadata": metadata, "spec": spec}


def _object(version: str, kind: str, name: str) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}}


def _stack(name: str) -> dict[str, Any]:
    some_id = "00000000-0000-4000-8000-000000000000"
    spec = {"agentId": some_id, "stackId": some_id, "stackName": "s", "sequenceId": 1}
    spec |= {"deploymentObjectId": some_id, "checksum": "c", "desired": "Present", "suspend": False}
    return {**_object("brokkr.io/v1", "BrokkrStack", name), "spec": spec}
