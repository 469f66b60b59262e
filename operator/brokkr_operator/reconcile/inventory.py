"""What a stack has applied: the list that pruning goes by. Pure.

It is written before applying (intent: entries without a uid) and after (fact), so a crash at any
point forgets nothing.
"""

from collections.abc import Iterable, Sequence

from brokkr_operator.reconcile import ordering
from brokkr_operator.resources.objects import Entry, Key


def intend(old: Sequence[Entry], planned: Iterable[Entry]) -> list[Entry]:
    """What is here, and what is about to be."""
    known = {entry.key for entry in old}
    return [*old, *(entry for entry in planned if entry.key not in known)]


def without_uids(entries: Iterable[Entry], keys: frozenset[Key]) -> list[Entry]:
    """Intent again: these objects will be others than those that were applied."""
    return [Entry(e.key, e.version) if e.key in keys else e for e in entries]


def to_prune(old: Sequence[Entry], planned: Iterable[Entry]) -> list[Entry]:
    """Old minus new, in the reverse order of applying."""
    kept = {entry.key for entry in planned}
    gone = [entry for entry in old if entry.key not in kept]
    return sorted(gone, key=lambda e: (ordering.rank(e.key.group, e.key.kind), e.key), reverse=True)


def settle(applied: Iterable[Entry], unpruned: Iterable[Entry]) -> list[Entry]:
    """The fact: what was applied, and what could not be removed yet."""
    merged: dict[Key, Entry] = {entry.key: entry for entry in unpruned}
    merged |= {entry.key: entry for entry in applied}
    return sorted(merged.values(), key=lambda entry: entry.key)
