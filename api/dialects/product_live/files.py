"""Stored files inside inputs and outputs: how they are recorded, and how they are shown.

Recorded is what the store answered when the file came, its SHA-256 included; shown is the vendor's
object, whose `url` depends on where the reader is.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from api.dialects.port import MalformedRequest
from api.dialects.product_live.wire import RecordedFile

OBJECT: Final = "data_factory_file"
PATH: Final = "/v1/data_factory/files/"
_ID_LENGTH: Final = 24


def is_file(value: Any) -> bool:
    """Whether a value stands for a stored file."""
    return (
        isinstance(value, dict)
        and value.get("object") == OBJECT
        and isinstance(value.get("id"), str)
        and is_file_id(value["id"])
    )


def is_file_id(text: str) -> bool:
    """Whether a text can be a stored file's id."""
    return len(text) == _ID_LENGTH and all(letter in "0123456789abcdef" for letter in text)


def shown_files(value: Any, base_url: str) -> Any:
    """Give a document in which stored files are shown as the vendor shows them."""
    match value:
        case dict() if is_file(value):
            told = {name: value[name] for name in ("createdAt", "updatedAt") if name in value}
            return {
                "object": OBJECT,
                "id": value["id"],
                **told,
                "url": url_of(value["id"], base_url),
            }
        case dict():
            return {name: shown_files(item, base_url) for name, item in value.items()}
        case list() | tuple():
            return [shown_files(item, base_url) for item in value]
        case _:
            return value


def url_of(file_id: str, base_url: str) -> str:
    """Say where a stored file is fetched."""
    return f"{base_url}{PATH}{file_id}"


def named_files(value: Any, path: str = "$") -> Iterator[tuple[str, str]]:
    """Yield id and place of every stored file that a document names.

    Raises:
        MalformedRequest: an object says it is a file, and names none.
    """
    match value:
        case dict() if value.get("object") == OBJECT:
            if not is_file(value):
                raise MalformedRequest(f"{path}.id", "it is not the id of a file")
            yield value["id"], path
        case dict():
            for name, item in value.items():
                yield from named_files(item, f"{path}.{name[:50]}")
        case list():
            for index, item in enumerate(value):
                yield from named_files(item, f"{path}[{index}]")
        case _:
            return


def recorded_files(value: Any, known: Mapping[str, RecordedFile]) -> Any:
    """Give a document in which files are recorded with all that is known of them."""
    match value:
        case dict() if is_file(value):
            file = known[value["id"]]
            return {
                name: told
                for name in RecordedFile.__struct_fields__
                if (told := getattr(file, name)) != ""
            }
        case dict():
            return {name: recorded_files(item, known) for name, item in value.items()}
        case list():
            return [recorded_files(item, known) for item in value]
        case _:
            return value
