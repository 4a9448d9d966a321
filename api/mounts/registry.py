"""The vendors whose APIs are served."""

from typing import Final

from api.mounts.cdq import Cdq
from api.mounts.datameer import Datameer
from api.mounts.ocapi.mount import OcapiMount
from api.mounts.port import Mount
from api.mounts.product_live import ProductLive

MOUNTS: Final[tuple[Mount, ...]] = (OcapiMount(), ProductLive(), Cdq(), Datameer())
