"""The step of SlowExportJob: long enough to be watched, paused and canceled."""

import time

from api.worker.steps.context import Context
from api.worker.steps.result import StepResult

TELL_EVERY_S = 0.5


def export(context: Context) -> StepResult:
    """Write a file slowly, telling how far it is."""
    rounds = max(int(float(context.settings.get("seconds", 20)) / TELL_EVERY_S), 1)
    per_round = 250
    path = context.data_dir / f"export-{context.number}.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("row,value\n")
        for done in range(1, rounds + 1):
            time.sleep(TELL_EVERY_S)
            first = (done - 1) * per_round
            file.writelines(f"{row},{row * 7 % 1000}\n" for row in range(first, first + per_round))
            context.progress(
                100 * done / rounds,
                processed_items=done * per_round,
                total_items=rounds * per_round,
                counters={"EXPORT_RECORDS": done * per_round},
            )
    return StepResult(message=f"{rounds * per_round} rows written", output={"file": path.name})
