"""The version in the path, `vYY_N`, which every document repeats as `YY.N`."""

import re
from typing import Final

from msgspec import Struct

_FORM: Final = re.compile(r"v([1-9][0-9])_([1-9][0-9]?)")


class Version(Struct, frozen=True, order=True):
    """A version that a client asks for."""

    major: int
    minor: int

    @property
    def text(self) -> str:
        """The version as documents have it."""
        return f"{self.major}.{self.minor}"

    @property
    def starts_at_once(self) -> bool:
        """Whether a creation answers with an execution that runs already."""
        return self.major < 18

    @property
    def tells_log_path(self) -> bool:
        """Whether documents carry `log_file_path`."""
        return not self.starts_at_once


NEWEST: Final = Version(23, 2)
"""Named where a path carries no version that could be read."""


def parse_version(text: str) -> Version | None:
    """Read the path's version; None when it is malformed.

    >>> parse_version("v17_4").text
    '17.4'
    """
    match = _FORM.fullmatch(text)
    return Version(int(match[1]), int(match[2])) if match else None
