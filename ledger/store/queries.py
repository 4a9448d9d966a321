"""Named statements out of `.sql` files: `-- name: x` begins one, the next one ends it."""

import re
from functools import cache
from pathlib import Path
from typing import Final

_NAME: Final = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


@cache
def load(file: Path) -> dict[str, str]:
    """Read a file's statements by name.

    Raises:
        ValueError: the file names a statement twice, or none.
    """
    parts = _NAME.split(file.read_text(encoding="utf-8"))
    names, bodies = parts[1::2], parts[2::2]
    if not names or len(set(names)) != len(names):
        message = f"{file}: each statement needs a name of its own"
        raise ValueError(message)
    return {name: body.strip() for name, body in zip(names, bodies, strict=True)}
