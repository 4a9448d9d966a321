"""The cache of what was used lately: bounded, and a burst of new things leaves the known ones."""

from hypothesis import given
from hypothesis import strategies as st

from ledger.handle.recent import Recent

names = st.sampled_from([f"n{number}" for number in range(60)])


def test_a_burst_pushes_out_only_what_nobody_asked_for() -> None:
    """Who was asked for once stays, however many are made after it."""
    recent = Recent[int](100, new=50)
    for number in range(10):
        recent.put_new(f"used{number}", number)
        assert recent.get(f"used{number}") == number
    for number in range(10_000):
        recent.put_new(f"burst{number}", number)
    assert [recent.get(f"used{number}") for number in range(10)] == [*range(10)]
    assert [recent.peek(f"burst{number}") for number in (0, 9949, 9950)] == [None, None, 9950]


def test_what_was_asked_for_is_never_among_the_new() -> None:
    """Neither when it was read, nor when it is made again."""
    recent = Recent[int](100, new=1)
    recent.put("read", 1)
    recent.put_new("read", 2)
    recent.put_new("made", 3)
    recent.put("made", 4)
    recent.put_new("other", 5)
    recent.put_new("another", 6)
    names = ("read", "made", "other", "another")
    assert [recent.peek(name) for name in names] == [2, 4, None, 6]


def test_the_known_one_that_rested_longest_goes_first() -> None:
    """Being looked at is no use."""
    recent = Recent[int](3)
    for number in range(3):
        recent.put(f"k{number}", number)
    recent.get("k0")
    recent.peek("k1")
    recent.put("k3", 3)
    assert [recent.peek(f"k{number}") for number in range(4)] == [0, None, 2, 3]


steps = st.sampled_from(["put", "put_new", "get", "peek", "drop"])


@given(st.lists(st.tuples(steps, names), max_size=200))
def test_it_gives_the_last_value_or_nothing(life: list[tuple[str, str]]) -> None:
    """It may forget what it was given, and is never larger than allowed; it never makes things up."""
    recent = Recent[int](8, new=4)
    last: dict[str, int] = {}
    for number, (what, name) in enumerate(life):
        match what:
            case "put" | "put_new":
                (recent.put if what == "put" else recent.put_new)(name, number)
                last[name] = number
                assert recent.peek(name) == number
            case "drop":
                recent.drop(name)
                last.pop(name, None)
                assert recent.get(name) is None
            case _:
                found = recent.get(name) if what == "get" else recent.peek(name)
                assert found in (None, last.get(name))
        assert len(recent) <= 8 + 4
