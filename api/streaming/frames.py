"""The forms in which lines are sent. Pure: bytes in, bytes out.

Lines are put into their frames as they are, never decoded and encoded again.
"""

from collections.abc import Iterable


def json_page(lines: Iterable[bytes], next_after: int, head: int) -> bytes:
    """Make a page: the lines as an array, and where to go on."""
    return b'{"events":[%b],"next_after":%d,"head":%d}' % (b",".join(lines), next_after, head)
