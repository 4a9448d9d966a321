"""The example input is what its generator makes, with seven bad rows of seven kinds and places."""

from pathlib import Path

from api.examples import make_customers
from api.examples.customers import check, input_file


def test_the_shipped_input_is_what_the_generator_makes(tmp_path: Path) -> None:
    """Nobody edited it by hand, and it is small."""
    made = tmp_path / "customers.csv"
    make_customers.write(made, make_customers.rows())
    shipped = input_file("customers.csv")
    assert shipped.read_bytes() == made.read_bytes()
    assert shipped.stat().st_size < 300_000


def test_seven_rows_are_bad() -> None:
    """Each bad row is found, with its reason."""
    faults = [row.fault for row in check(input_file("customers.csv")) if row.fault]
    assert len(faults) == 7
    assert len(set(faults)) == 6


def test_the_broken_input_has_one_bad_row() -> None:
    """Its line is the one that the job's error names."""
    bad = [row.line for row in check(input_file("customers_broken.csv")) if row.fault]
    assert bad == [18]
