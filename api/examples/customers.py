"""Reading customers: the rules that a row must keep."""

import csv
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import NamedTuple

from api.worker.steps.result import StepFailed

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_COUNTRY = re.compile(r"[A-Z]{2}")
EXAMPLE_DATA = Path(__file__).parent / "data"


class Checked(NamedTuple):
    """A row with its place in the file (the heading is line 1) and what is wrong with it."""

    line: int
    row: dict[str, str]
    fault: str


def input_file(name: str) -> Path:
    """Find an input file among the example data; no other place is read."""
    path = EXAMPLE_DATA / Path(name).name
    if not path.is_file():
        raise StepFailed(f"there is no input file {name!r}", input_at_fault=True)
    return path


def check(path: Path) -> Iterator[Checked]:
    """Read a file row by row."""
    seen: set[str] = set()
    with path.open(newline="", encoding="utf-8") as file:
        for line, row in enumerate(csv.DictReader(file), start=2):
            yield Checked(line, row, _fault(row, seen))
            seen.add(row["customer_id"])


def _fault(row: dict[str, str], seen: set[str]) -> str:
    if row["customer_id"] in seen:
        return f"customer {row['customer_id']} appears twice"
    if not row["email"]:
        return "the e-mail address is missing"
    if not _EMAIL.fullmatch(row["email"]):
        return "the e-mail address is malformed"
    if not _COUNTRY.fullmatch(row["country"]):
        return f"{row['country']!r} is not a country code"
    try:
        date.fromisoformat(row["signed_up"])
    except ValueError:
        return f"{row['signed_up']!r} is not a date"
    try:
        negative = Decimal(row["credit_limit"]) < 0
    except InvalidOperation:
        return f"{row['credit_limit']!r} is not an amount"
    return "the credit limit is negative" if negative else ""
