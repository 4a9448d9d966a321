"""Which addresses are nobody's own network."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.webhooks.target import GuardedResolver, TargetRefused, is_public, why_not


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",  # noqa: S104 - nothing is bound to it
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.1",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "fc00::1",
        "fe80::1",
        "fe80::1%eth0",
        "ff02::1",
    ],
)
def test_addresses_of_a_network_of_its_own(address: str) -> None:
    """Loopback, private, shared, link-local, multicast, reserved and embedded ones are refused."""
    assert not is_public(address)
    if "%" not in address:
        host = f"[{address}]" if ":" in address else address
        assert why_not(f"https://{host}/", private=False) is not None
        assert why_not(f"https://{host}/", private=True) is None


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111"])
def test_addresses_of_everybody(address: str) -> None:
    """Public ones pass."""
    assert is_public(address)
    host = f"[{address}]" if ":" in address else address
    assert why_not(f"https://{host}:8443/a?b=c", private=False) is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "//example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "https://",
        "https:///x",
        "https://example.com:99999/",
        "https://user@example.com/",
        "https://example.com/#part",
        "https://example.com\\@127.0.0.1/",
        "https://exa mple.com/",
        "https://example.com/\r\nX: y",
        "https://localhost/",
        "https://db.internal/",
        "https://example.com/" + "x" * 2000,
    ],
)
def test_texts_that_are_no_target(url: str) -> None:
    """Other schemes, credentials, fragments and what parsers differ about are refused."""
    assert why_not(url, private=False) is not None


@given(st.text(max_size=80) | st.text(max_size=60).map(lambda text: f"https://{text}"))
def test_any_text_gets_an_answer(text: str) -> None:
    """No text makes the judgement itself fail."""
    assert why_not(text, private=False) is None or why_not(text, private=False)


async def test_names_are_judged_by_what_they_stand_for() -> None:
    """A name of this machine, in any way of writing it, resolves to nothing that may be used."""
    resolver = GuardedResolver(private=False)
    for name in ("localhost", "127.1", "2130706433", "0x7f000001"):
        with pytest.raises(TargetRefused):
            await resolver.resolve(name, 80)
    lax = GuardedResolver(private=True)
    assert await lax.resolve("localhost", 80)
    await resolver.close()
    await lax.close()
