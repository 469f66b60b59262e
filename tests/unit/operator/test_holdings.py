"""Which stack holds what: the index stays true through every change, and tells of new places."""

from hypothesis import given
from hypothesis import strategies as st

from brokkr_operator.observe.holdings import Holdings
from brokkr_operator.resources.objects import Entry, Key

_ENTRIES = st.builds(
    lambda kind, place, name, uid: Entry(Key("", kind, place, name), "v1", uid),
    st.sampled_from(["ConfigMap", "Pod"]),
    st.sampled_from(["a", "b"]),
    st.sampled_from(["x", "y", "z"]),
    st.sampled_from(["", "1", "2"]),
)
_CHANGES = st.tuples(
    st.sampled_from(["one", "two"]), st.lists(_ENTRIES, max_size=4, unique_by=lambda e: e.key)
)


@given(st.lists(_CHANGES, max_size=12))
def test_the_index_is_what_the_inventories_say(changes: list[tuple[str, list[Entry]]]) -> None:
    holdings, truth, told = Holdings(), dict[str, list[Entry]](), []
    holdings.subscribe(lambda: told.append(1))
    for stack, inventory in changes:
        before = holdings.places()
        del told[:]
        holdings.put(stack, inventory) if inventory else holdings.drop(stack)
        truth[stack] = inventory
        held = [e for entries in truth.values() for e in entries]
        assert holdings.places() == {(e.key.group, e.key.kind, e.key.namespace) for e in held}
        assert holdings.kinds() == {("v1", e.key.kind) for e in held}
        assert bool(told) == (holdings.places() != before)
