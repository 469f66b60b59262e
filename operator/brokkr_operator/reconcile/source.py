"""A stack's manifests: from its payload Secrets, checked and parsed, to planned steps.

The last few texts are remembered parsed, so that mending one object of a large stack does not
read and parse all of it again.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from brokkr_common import extensions, manifests
from brokkr_operator.clients.kube.client import Kube
from brokkr_operator.errors import KubeUnavailable, PayloadMissing, StackError, UnknownKind
from brokkr_operator.reconcile import plan
from brokkr_operator.reconcile.plan import Marks, Step
from brokkr_operator.resources import objects, payload
from brokkr_operator.resources.brokkrstack import BrokkrStack
from brokkr_operator.resources.conditions import Reason
from brokkr_operator.resources.objects import Object

_REMEMBERED_BYTES = 2 * 1024 * 1024  # of text; parsed it is some ten times as much

_QUICK_BYTES = 16 * 1024  # parsed in a few milliseconds


class _Parsed(msgspec.Struct, frozen=True):
    checksum: str
    documents: list[Object]
    size: int


class Source:
    """Reads Secrets of the agent's namespace, and remembers a little."""

    def __init__(
        self,
        kube: Kube,
        *,
        namespace: str,
        agent_id: str,
        limits: manifests.Limits = manifests.Limits(bytes=payload.MAX_TEXT_BYTES),
    ) -> None:
        self._kube = kube
        self._namespace = namespace
        self._agent_id = agent_id
        self._limits = limits
        self._remembered: OrderedDict[str, _Parsed] = OrderedDict()

    async def steps(self, stack: BrokkrStack, *, remembered: bool) -> list[Step]:
        """What to apply, each object marked as ours. Raises StackError, PayloadMissing."""
        documents = await self.documents(stack, remembered=remembered)
        return await self.plan(documents, plan.of_stack(stack, self._agent_id))

    async def plan(self, documents: Sequence[Object], marks: Marks) -> list[Step]:
        """Documents as steps. Raises StackError."""
        scopes = plan.scopes_in(documents)
        steps = []
        for number, manifest in enumerate(documents, start=1):
            namespaced = await self._namespaced(number, manifest, scopes)
            steps.append(plan.step(number, manifest, namespaced=namespaced, marks=marks))
        plan.check_unique(steps)
        return steps

    async def documents(self, stack: BrokkrStack, *, remembered: bool) -> list[Object]:
        """Raises PayloadMissing, and StackError where the text is not what it should be.

        `remembered` takes what was read before without a look at the Secrets.
        """
        known = self._remembered.get(stack.name)
        is_known = known is not None and known.checksum == stack.checksum
        text = "" if is_known and remembered else await self.text(stack.secrets, stack.checksum)
        if known and is_known:
            self._remembered.move_to_end(stack.name)
            return known.documents
        documents = await self.parse(text)
        self._remember(stack.name, _Parsed(stack.checksum, documents, len(text)))
        return documents

    async def parse(self, text: str) -> list[Object]:
        """Raises StackError."""
        try:
            if len(text) <= _QUICK_BYTES:
                return extensions.parse(text, limits=self._limits)
            # NB: so that a large text does not keep the event loop from its probes
            return await asyncio.to_thread(extensions.parse, text, limits=self._limits)
        except manifests.ManifestError as e:
            raise StackError(str(e), reason=Reason.INVALID_MANIFEST, stalled=True) from e

    async def text(self, secrets: Sequence[str], checksum: str) -> str:
        """The YAML of one of our resources. Raises PayloadMissing."""
        kind = await self._kube.discovery.find("v1", "Secret")
        pieces = []
        for name in secrets:
            secret = await self._kube.find_in(kind, self._namespace, name)
            if secret is None:
                raise PayloadMissing(f"waiting for the YAML (Secret {self._namespace}/{name})")
            pieces.append(payload.piece(secret))
        text = payload.join(pieces)
        if manifests.checksum(text) != checksum:
            raise PayloadMissing("waiting for the YAML (what is here has another checksum)")
        return text

    def _remember(self, name: str, parsed: _Parsed) -> None:
        self._remembered.pop(name, None)
        self._remembered[name] = parsed
        total = sum(p.size for p in self._remembered.values())
        while total > _REMEMBERED_BYTES and self._remembered:
            _, dropped = self._remembered.popitem(last=False)
            total -= dropped.size

    async def _namespaced(
        self, number: int, manifest: Object, scopes: dict[tuple[str, str], bool]
    ) -> bool:
        group, _ = objects.split_api_version(manifest["apiVersion"])
        defined_here = scopes.get((group, manifest["kind"]))
        if defined_here is not None:
            return defined_here
        try:
            kind = await self._kube.discovery.find(manifest["apiVersion"], manifest["kind"])
        except (UnknownKind, KubeUnavailable) as e:
            place = f"document {number} ({manifest['kind']} {manifest['metadata']['name']})"
            if isinstance(e, UnknownKind):
                raise StackError(f"{place}: {e}", reason=Reason.UNKNOWN_KIND, stalled=True) from e
            text = f"{place}: {manifest['apiVersion']} does not answer: {e}".strip()
            raise StackError(text, reason=Reason.API_UNAVAILABLE, stalled=False) from e
        return kind.namespaced
