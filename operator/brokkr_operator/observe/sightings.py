"""How the objects of our stacks looked when a watch last showed them."""

import msgspec

from brokkr_operator.clients.kube.follow import Metadata
from brokkr_operator.resources.objects import Key


class Sighting(msgspec.Struct, frozen=True):
    """`face` changes whenever what the object is may have changed; its status does not count."""

    uid: str
    resource_version: str
    face: int


Sightings = dict[Key, Sighting]


def of(metadata: Metadata) -> Sighting:
    # NB: the generation counts changes of the spec; a kind without one changes by its version.
    changes = metadata.generation or metadata.resource_version
    labels = frozenset((metadata.labels or {}).items())
    annotations = frozenset((metadata.annotations or {}).items())
    face = hash((changes, labels, annotations))
    return Sighting(metadata.uid, metadata.resource_version, face)
