"""The vendors whose APIs are served."""

from typing import Final

from api.mounts.port import Mount

MOUNTS: Final[tuple[Mount, ...]] = ()
