"""The projectors that a process runs."""

from typing import Final

from projections.active.projector import ActiveProjector
from projections.executions.projector import ExecutionsProjector
from projections.jobs.projector import JobsProjector
from projections.keys.projector import KeysProjector
from projections.port import Projector
from projections.rates.projector import RatesProjector
from projections.tree.projector import TreeProjector

PROJECTORS: Final[tuple[Projector, ...]] = (
    ExecutionsProjector(),
    ActiveProjector(),
    JobsProjector(),
    KeysProjector(),
    RatesProjector(),
    TreeProjector(),
)


READ_WITH: Final = {"jobs": ("executions",)}
"""Views whose queries read other views' rows too."""


def projector(name: str) -> Projector | None:
    """Give the projector of a name, if there is one."""
    return next((found for found in PROJECTORS if found.name == name), None)
