"""Steps of CustomerImportJob and BrokenImportJob: validate → import → report."""

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path

from api.examples.customers import Checked, check, input_file
from api.worker.steps.context import Context
from api.worker.steps.result import StepFailed, StepResult
from ledger.events.executions import Attachment

TELL_EVERY_ROWS = 500


def validate(context: Context) -> StepResult:
    """Check every row; name the bad ones, which the import leaves out."""
    path = _input(context)
    checked = list(check(path))
    for index, _ in enumerate(checked, start=1):
        if index % TELL_EVERY_ROWS == 0:
            context.progress(
                100 * index / len(checked), processed_items=index, total_items=len(checked)
            )
    bad = [row for row in checked if row.fault]
    for row in bad:
        context.log(f"{path.name} line {row.line}: {row.fault}")
    if bad and context.settings.get("strict"):
        raise StepFailed(
            f"{path.name} line {bad[0].line}: {bad[0].fault}",
            exit_code="INVALID_ROW",
            input_at_fault=True,
        )
    told = context.parameters.get("max_errors")
    limit = 100 if told is None else int(told)
    if len(bad) > limit:
        raise StepFailed(
            f"{len(bad)} bad rows, more than {limit}",
            exit_code="TOO_MANY_ERRORS",
            input_at_fault=True,
        )
    return StepResult(
        counters={"VALIDATE_RECORDS": len(checked), "VALIDATE_ERRORS": len(bad)},
        output={"input_file": path.name, "bad_lines": [row.line for row in bad]},
    )


def load(context: Context) -> StepResult:
    """Put the good rows into a database, all or none."""
    checked = list(check(_input(context)))
    good = [row for row in checked if not row.fault]
    database = _database(context)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("DROP TABLE IF EXISTS customers")
        connection.execute(
            "CREATE TABLE customers (customer_id TEXT PRIMARY KEY, name TEXT, email TEXT,"
            " country TEXT, signed_up TEXT, credit_limit REAL)"
        )
        for start in range(0, len(good), TELL_EVERY_ROWS):
            part = good[start : start + TELL_EVERY_ROWS]
            connection.executemany(
                "INSERT INTO customers VALUES (:customer_id, :name, :email, :country, :signed_up,"
                " :credit_limit)",
                [row.row for row in part],
            )
            done = start + len(part)
            context.progress(
                100 * done / len(good),
                processed_items=done,
                total_items=len(good),
                failed_items=len(checked) - len(good),
                counters={"IMPORT_RECORDS": done},
            )
    return StepResult(
        counters={
            "IMPORT_RECORDS": len(good),
            "IMPORT_DROPPED_RECORDS": len(checked) - len(good),
            **_by_country(good),
        },
        metrics={"dropped_share": round(1 - len(good) / max(len(checked), 1), 6)},
    )


def report(context: Context) -> StepResult:
    """Sum the import up, and keep the summary as a file."""
    with closing(sqlite3.connect(_database(context))) as connection:
        total, credit = connection.execute(
            "SELECT count(*), coalesce(sum(credit_limit), 0) FROM customers"
        ).fetchone()
        countries = dict(
            connection.execute(
                "SELECT country, count(*) FROM customers GROUP BY country ORDER BY country"
            ).fetchall()
        )
    previous = context.previous if isinstance(context.previous, dict) else {}
    summary = {
        "imported": total,
        "dropped": len(previous.get("bad_lines", [])),
        "credit_limit_total": credit,
        "countries": countries,
    }
    path = context.data_dir / f"customer-import-{context.number}.json"
    content = json.dumps(summary, indent=2).encode()
    path.write_bytes(content)
    return StepResult(
        message=f"{total} customers imported",
        output=summary,
        attachments=(
            Attachment(
                name="summary.json",
                uri=path.as_uri(),
                media_type="application/json",
                size_bytes=len(content),
                sha256=hashlib.sha256(content).hexdigest(),
            ),
        ),
    )


def _input(context: Context) -> Path:
    return input_file(str(context.parameters.get("file") or context.settings["file"]))


def _database(context: Context) -> Path:
    return context.data_dir / "customers.sqlite"


def _by_country(rows: list[Checked]) -> dict[str, int]:
    biggest: dict[str, int] = {}
    for row in rows:
        name = f"COUNTRY_{row.row['country']}"
        biggest[name] = biggest.get(name, 0) + 1
    return dict(sorted(biggest.items(), key=lambda item: -item[1])[:3])
