"""What every test may ask for: a database of its own, and repeatable random examples.

Hypothesis draws the same examples in every run, so that a red build is red for everyone.
HYPOTHESIS_PROFILE=thorough draws many and new ones.
"""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.cluster import Cluster

settings.register_profile(
    "fast",
    max_examples=50,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "thorough",
    max_examples=2000,
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))

# A process less for each of the many servers that tests start; test_views_beside and test_processes
# have their views written the other way.
os.environ.setdefault("JOBLEDGER_VIEWS", "inside")


@pytest.fixture(scope="session")
def postgres() -> Iterator["Cluster"]:
    """Share one PostgreSQL among the tests of this process."""
    # Imported here, so that unit tests run without a driver or a store.
    from tests.cluster import Cluster  # noqa: PLC0415

    with Cluster() as cluster:
        yield cluster


@pytest.fixture
def guardian() -> Iterator[None]:
    """Leave no guardian behind that a step in this process started."""
    yield
    from api.worker.steps.process import GUARDIAN  # noqa: PLC0415 - only where there are steps

    GUARDIAN.close()


@pytest.fixture
def database_url(postgres: "Cluster") -> Iterator[str]:
    """Give one test an empty, migrated database of its own."""
    with postgres.database() as url:
        yield url


@pytest.fixture(scope="module")
def module_database_url(postgres: "Cluster") -> Iterator[str]:
    """Give one module a database; its tests take a fresh stream each (property tests)."""
    with postgres.database() as url:
        yield url
