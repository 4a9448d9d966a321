"""Signatures, and which texts are secrets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.webhooks.sign import key_of, new_secret, signatures


def test_the_published_example_is_signed_alike() -> None:
    """The example of the Standard Webhooks' own libraries gives the signature printed there."""
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    told = signatures([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert told == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_each_key_signs_in_order() -> None:
    """Several keys give several signatures, those of one key being what it gives alone."""
    keys = [bytes([n]) * 32 for n in range(3)]
    told = signatures(keys, "id", 1, b"{}").split(" ")
    assert told == [signatures([key], "id", 1, b"{}") for key in keys]
    assert len(set(told)) == 3


def test_a_secret_that_was_made_up_is_one() -> None:
    """Made-up secrets have 32 bytes and differ."""
    assert len(key_of(new_secret())) == 32
    assert new_secret() != new_secret()


@given(st.text(max_size=120) | st.text(max_size=100).map(lambda text: f"whsec_{text}"))
def test_any_text_is_a_secret_or_refused(text: str) -> None:
    """A text is a secret of 24 to 64 bytes, or a ValueError that says why it is none."""
    try:
        size = len(key_of(text))
    except ValueError:
        return
    assert 24 <= size <= 64


def test_too_short_and_too_long_secrets_are_refused() -> None:
    """The bounds of the specification hold."""
    for text in ("whsec_c2hvcnQ=", "whsec_" + "A" * 88, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"):
        with pytest.raises(ValueError, match="secret"):
            key_of(text)
