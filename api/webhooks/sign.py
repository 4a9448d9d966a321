"""Signatures of the Standard Webhooks, symmetric form. Pure.

Source: the Standard Webhooks specification, "Signature scheme", read 2026-11.
"""

import binascii
import hmac
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterable
from typing import Final

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32
MIN_SECRET_BYTES: Final = 24
MAX_SECRET_BYTES: Final = 64


def new_secret() -> str:
    """Make a secret up, in the form in which receivers configure it."""
    return PREFIX + b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def key_of(secret: str) -> bytes:
    """Take the key out of a secret.

    Raises:
        ValueError: it is not of the form, too short or too long.
    """
    if not secret.startswith(PREFIX):
        raise ValueError(f"a secret begins with {PREFIX}")
    try:
        key = b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("behind its prefix a secret is base64") from None
    if not MIN_SECRET_BYTES <= len(key) <= MAX_SECRET_BYTES:
        raise ValueError(f"a secret has {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes")
    return key


def signatures(keys: Iterable[bytes], message: str, timestamp_s: int, body: bytes) -> str:
    """Sign a message with each key; the receiver takes it when one of them is the one it knows.

    >>> signatures([bytes(24)], "msg_1", 1700000000, b"{}")
    'v1,LzeNxZHo3O8fwpFJpLh/0B99ugILNFJw+/9lTgx0APs='
    """
    content = b"%b.%d.%b" % (message.encode(), timestamp_s, body)
    return " ".join(f"v1,{b64encode(hmac.digest(key, content, 'sha256')).decode()}" for key in keys)
