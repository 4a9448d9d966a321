"""What a request carries besides what was sent."""

from typing import Final
from uuid import UUID

from aiohttp import web

REQUEST_ID: Final = web.RequestKey("request_id", str)
"""As the caller named the request, or as we do."""
CORRELATION_ID: Final = web.RequestKey("correlation_id", UUID)
"""Stands in the events that the request leads to."""
ALLOWANCE: Final = web.RequestKey("allowance", dict[str, str])
"""Headers that tell what is left of the caller's rate limit."""
