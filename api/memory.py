"""How the garbage collector is set for a server: rarely, and not over what stays for ever.

Events, states and answers hold no cycles, so reference counting frees them; the collector only costs.
With the defaults it was measured to halve the rate at which a view is written. Where many are kept
(the tail's ring, cached states) the structs say so themselves (`gc=False`) and are not looked at.
"""

import gc
from typing import Final

THRESHOLDS: Final = (50_000, 20, 50)


def settle() -> None:
    """Take everything alive now out of the collector's sight; call it once, when start-up is over."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
