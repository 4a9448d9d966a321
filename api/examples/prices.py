"""Steps of NightlyPriceJob, PriceFeedJob and PriceIndexJob: prices, and what is made of them."""

import json
import random
import sqlite3
from contextlib import closing
from pathlib import Path

from api.worker.steps.context import Context
from api.worker.steps.result import StepResult

BASE_PRICES = {f"P{number:03d}": 5 + number * 1.25 for number in range(1, 121)}


def nightly(context: Context) -> StepResult:
    """Compute each country's price list from the customers that were imported."""
    weights = _countries(context.data_dir / "customers.sqlite")
    if not weights:
        return StepResult(
            outcome="warning", exit_code="NO_CUSTOMERS", message="no customers were imported yet"
        )
    total = sum(weights.values())
    lists = {
        country: {
            product: round(price * (1 - 0.2 * count / total), 2)
            for product, price in BASE_PRICES.items()
        }
        for country, count in weights.items()
    }
    _write(context.data_dir / "prices.json", lists)
    return StepResult(
        counters={"PRICE_LISTS": len(lists), "PRICES": len(lists) * len(BASE_PRICES)},
        message=f"{len(lists)} price lists computed",
        output={"countries": sorted(lists)},
    )


def feed(context: Context) -> StepResult:
    """Take in the day's market prices (drawn, from the execution's number)."""
    draw = random.Random(context.number)
    prices = {
        product: round(price * draw.uniform(0.95, 1.05), 2)
        for product, price in BASE_PRICES.items()
    }
    _write(context.data_dir / "feed.json", prices)
    return StepResult(counters={"FEED_PRICES": len(prices)}, output={"feed": "feed.json"})


def index(context: Context) -> StepResult:
    """Compute the price index of the feed against the base prices."""
    path = context.data_dir / "feed.json"
    prices = json.loads(path.read_text("utf-8")) if path.is_file() else BASE_PRICES
    ratio = sum(prices[product] / base for product, base in BASE_PRICES.items()) / len(BASE_PRICES)
    value = round(100 * ratio, 2)
    return StepResult(
        message=f"price index {value}",
        counters={"INDEX_PRICES": len(prices)},
        metrics={"price_index": value},
        output={"price_index": value},
    )


def _countries(database: Path) -> dict[str, int]:
    if not database.is_file():
        return {}
    with closing(sqlite3.connect(database)) as connection:
        try:
            found = connection.execute("SELECT country, count(*) FROM customers GROUP BY country")
        except sqlite3.OperationalError:
            return {}
        return dict(found.fetchall())


def _write(path: Path, content: object) -> None:
    """Replace a file whole, so that a reader never sees half of it."""
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(content, indent=1), "utf-8")
    draft.replace(path)
