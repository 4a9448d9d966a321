"""Make the example input: `python -m api.examples.make_customers`.

The same rows every time: random numbers come from a fixed seed.
"""

import csv
import random
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

DATA = Path(__file__).parent / "data"
ROWS = 3000
FIELDS = ("customer_id", "name", "email", "country", "signed_up", "credit_limit")

_FIRST = [
    "Ada",
    "Ben",
    "Chiara",
    "Dario",
    "Elif",
    "Farid",
    "Greta",
    "Hugo",
    "Ines",
    "Jan",
    "Kaya",
    "Lena",
    "Mateo",
    "Noor",
    "Olga",
    "Paul",
]
_LAST = [
    "Almeida",
    "Baker",
    "Costa",
    "Dubois",
    "Eriksen",
    "Fischer",
    "Garcia",
    "Haas",
    "Ito",
    "Jansen",
    "Keller",
    "Lopez",
    "Moreau",
]
_COUNTRIES = ["DE", "FR", "ES", "IT", "NL", "PL", "SE", "AT", "CH", "JP", "US", "BR"]
_FIRST_DAY = date(2019, 1, 1)


def rows() -> Iterator[dict[str, str]]:
    """Yield good rows, and seven bad ones among them."""
    draw = random.Random(20240229)
    for number in range(1, ROWS + 1):
        first, last = draw.choice(_FIRST), draw.choice(_LAST)
        row = {
            "customer_id": f"C{number:05d}",
            "name": f"{first} {last}",
            "email": f"{first}.{last}{number}@example.org".lower(),
            "country": draw.choice(_COUNTRIES),
            "signed_up": (_FIRST_DAY + timedelta(days=draw.randrange(2000))).isoformat(),
            "credit_limit": f"{draw.randrange(0, 20001, 50)}.00",
        }
        yield _spoiled(number, row)


def _spoiled(number: int, row: dict[str, str]) -> dict[str, str]:
    match number:
        case 137 | 1804:
            return {**row, "email": ""}
        case 512:
            return {**row, "signed_up": "2021-02-30"}
        case 981:
            return {**row, "customer_id": "C00012"}
        case 1440:
            return {**row, "country": "Atlantis"}
        case 2210:
            return {**row, "credit_limit": "-50.00"}
        case 2733:
            return {**row, "email": "not an address"}
        case _:
            return row


def write(path: Path, content: Iterator[dict[str, str]]) -> None:
    """Write rows as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(content)


def main() -> None:
    """Write the files that the jobs read."""
    DATA.mkdir(exist_ok=True)
    write(DATA / "customers.csv", rows())
    few = [row for _, row in zip(range(40), rows(), strict=False)]
    few[16] = {**few[16], "signed_up": "31/12/2023"}
    write(DATA / "customers_broken.csv", iter(few))


if __name__ == "__main__":
    main()
