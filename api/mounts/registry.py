"""The vendors whose APIs are served."""

from typing import Final

from api.mounts.ocapi.mount import OcapiMount
from api.mounts.port import Mount

MOUNTS: Final[tuple[Mount, ...]] = (OcapiMount(),)
