"""Step type `sleep`: wait, telling how much of the wait has passed."""

import asyncio
from typing import Annotated, Final

from msgspec import Meta, Struct

from api.worker.steps.port import StepContext, read_settings
from api.worker.steps.result import StepResult
from ledger.events.executions import Progress

TELL_EVERY_S: Final = 0.5


class SleepSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `with` of a sleep step."""

    seconds: Annotated[float, Meta(ge=0, le=86_400)]


async def run_sleep(context: StepContext) -> StepResult:
    """Wait as long as the definition says.

    Raises:
        StepFailed: the settings are wrong.
    """
    settings = read_settings(context, SleepSettings)
    loop = asyncio.get_running_loop()
    start = loop.time()
    while (left_s := start + settings.seconds - loop.time()) > 0:
        percent = round(100 * (1 - left_s / settings.seconds), 1)
        context.report.progress(Progress(percent=max(percent, 0.0)))
        await asyncio.sleep(min(left_s, TELL_EVERY_S))
    context.report.progress(Progress(percent=100.0))
    return StepResult()
