"""The tests; see conftest for the database they share and waiting for how they wait."""
