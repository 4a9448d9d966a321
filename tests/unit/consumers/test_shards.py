"""Shards: where streams belong for ever, and how members come to share them."""

from hypothesis import given
from hypothesis import strategies as st

from api.consumers.leases import Lease, lease_of
from api.consumers.shards import SHARDS, moves, shard_of, share

members = st.lists(st.integers(1, 1000), min_size=1, max_size=80, unique=True)


def test_a_streams_shard_is_for_ever() -> None:
    """Stored positions rely on these numbers: they must never change."""
    names = (
        "execution/0198c0de-0000-7000-8000-000000000000",
        "job/default/CustomerImportJob",
        "job/default/Bücher",
        "",
    )
    assert [shard_of(name) for name in names] == [17, 34, 5, 0]


@given(members)
def test_shares_add_up_and_differ_by_one(ids: list[int]) -> None:
    """Everybody's share together is all shards, and nobody's is larger by more than one."""
    shares = [share(ids, member) for member in ids]
    assert sum(shares) == SHARDS
    assert max(shares) - min(shares) <= 1


@given(members, st.data())
def test_repeated_moves_end_with_everybody_at_their_share(
    ids: list[int], data: st.DataObject
) -> None:
    """However the shards are spread, members that look in turn come to their share and stay."""
    owners: list[int | None] = data.draw(
        st.lists(st.sampled_from([*ids, None]), min_size=SHARDS, max_size=SHARDS)
    )
    stuck = data.draw(st.frozensets(st.integers(0, SHARDS - 1), max_size=10))

    def everybody_looks(out: frozenset[int]) -> None:
        for member in ids:
            wanted = moves(owners, out, ids, member)
            assert not out.intersection(wanted.give + wanted.take)
            for shard in wanted.give:
                assert owners[shard] == member
                owners[shard] = None
            for shard in wanted.take:
                assert owners[shard] is None
                owners[shard] = member

    everybody_looks(stuck)
    for _ in range(2):
        everybody_looks(frozenset())
    assert {m: owners.count(m) for m in ids} == {m: share(ids, m) for m in ids}
    assert all(not (w.give or w.take) for w in (moves(owners, frozenset(), ids, m) for m in ids))


@given(st.text(max_size=30))
def test_text_that_is_no_lease_is_told_apart(text: str) -> None:
    """Any text is a lease that reads back as it was, or none."""
    lease = lease_of(text)
    assert lease is None or lease_of(str(lease)) == lease


def test_a_lease_reads_back() -> None:
    """Both kinds."""
    for lease in (Lease(12, 7), Lease(0, 1, 99)):
        assert lease_of(str(lease)) == lease
