"""Notes, keys and tree heads as text: published examples, round trips, and anything else refused."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.merkle.note import (
    BadSignature,
    MalformedNote,
    Note,
    Signature,
    Signer,
    TreeHead,
    Verifier,
    parse_head,
    parse_note,
    render_head,
    render_note,
    sign_head,
    verified,
    verified_head,
)
from ledger.merkle.proof import MAX_SIZE

# The example of the signed note package that the form comes from.
SECRET = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngo"
    "tpRZb6KE6RyyBwJnAM=\n"
).encode()

NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=["Z", "C"], exclude_characters="+"), min_size=1
)
LINES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1)
HEADS = st.builds(
    TreeHead,
    origin=LINES,
    size=st.integers(0, MAX_SIZE),
    root=st.binary(min_size=32, max_size=32),
    extensions=st.lists(LINES, max_size=3).map(tuple),
)
SIGNER = Signer("ledger.example/log", bytes(range(32)))


def test_the_published_note() -> None:
    """The published key makes the published signature, and both parse."""
    signer = Signer.parse(SECRET)
    assert signer.text == SECRET
    assert signer.verifier.text == KEY
    note = verified(NOTE, [Verifier.parse(KEY)])
    assert render_note(Note(note.text, (signer.sign(note.text),))) == NOTE


def test_a_tree_head_in_bytes() -> None:
    """A signed tree head looks like this, for ever."""
    head = TreeHead(origin="ledger.example/log", size=20852163, root=bytes(range(32)))
    assert sign_head(head, SIGNER).decode() == (
        "ledger.example/log\n"
        "20852163\n"
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
        "\n"
        "\u2014 ledger.example/log EWOd1PWTC7MlUFpSxfqefK96UG7jhxXpli55dReXLz8TaWmtUYLmCFQdHjGyTRFcWzILAWY"
        "LEl1pI6EP0/xJ8MWO5QM=\n"
    )
    assert verified_head(sign_head(head, SIGNER), [SIGNER.verifier]) == head


@given(HEADS)
def test_heads_read_back(head: TreeHead) -> None:
    """What is rendered is parsed to the same head."""
    assert parse_head(render_head(head)) == head


@given(NAMES, st.binary(min_size=32, max_size=32))
def test_keys_read_back(name: str, seed: bytes) -> None:
    """Keys of any name keep it and their bytes in text."""
    signer = Signer(name, seed)
    assert Signer.parse(signer.text).text == signer.text
    again = Verifier.parse(signer.verifier.text)
    assert (again.name, again.public_key) == (name, signer.verifier.public_key)


@given(st.binary() | st.text().map(lambda text: text.encode("utf-8", "replace")))
def test_notes_of_any_bytes(raw: bytes) -> None:
    """Bytes are a note that renders to the same bytes, or refused."""
    try:
        note = parse_note(raw)
    except MalformedNote:
        return
    assert render_note(note) == raw


@given(st.integers(0, len(NOTE) - 1), st.integers(0, 255))
def test_a_changed_byte_of_a_note(place: int, value: int) -> None:
    """A note with one other byte does not verify."""
    changed = NOTE[:place] + bytes([value]) + NOTE[place + 1 :]
    if changed == NOTE:
        return
    with pytest.raises((MalformedNote, BadSignature)):
        verified(changed, [Verifier.parse(KEY)])


@given(st.text())
def test_heads_of_any_text(text: str) -> None:
    """A text is a head that renders to the same text, or refused."""
    try:
        head = parse_head(text)
    except MalformedNote:
        return
    assert render_head(head) == text


@given(st.text() | st.integers(0, len(KEY) - 1).map(lambda at: KEY[:at] + "x" + KEY[at + 1 :]))
def test_keys_of_any_text(text: str) -> None:
    """A text is a key that renders to the same text, or refused."""
    for kind, prefix in ((Verifier, ""), (Signer, "PRIVATE+KEY+")):
        try:
            key = kind.parse(prefix + text)
        except MalformedNote:
            continue
        assert key.text == prefix + text


@pytest.mark.parametrize(
    "text",
    [
        "origin\n5\n",
        "origin\n05\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "origin\n-5\n" + base64.b64encode(bytes(32)).decode() + "\n",
        f"origin\n{2**63}\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "origin\n5\n" + base64.b64encode(bytes(31)).decode() + "\n",
        "origin\n5\n" + "A" * 42 + "B=\n",
        "\n5\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "origin\n5\n" + base64.b64encode(bytes(32)).decode() + "\n\n",
        "origin\r\n5\r\n" + base64.b64encode(bytes(32)).decode() + "\r\n",
        "origin\n\u0665\n" + base64.b64encode(bytes(32)).decode() + "\n",
    ],
)
def test_heads_have_one_spelling(text: str) -> None:
    """Other ways to write a number or a root are refused."""
    with pytest.raises(MalformedNote):
        parse_head(text)


def test_a_note_is_believed_for_a_trusted_key_only() -> None:
    """Unknown signatures do not harm, a false one of a known key does, and none is not enough."""
    head = TreeHead(origin="ledger.example/log", size=1, root=bytes(32))
    other = Signer("witness.example/w", bytes(32))
    both = sign_head(head, other, SIGNER)
    assert verified_head(both, [SIGNER.verifier]) == head
    assert len(verified(both, [SIGNER.verifier]).signatures) == 1
    assert len(verified(both, [SIGNER.verifier, other.verifier]).signatures) == 2
    with pytest.raises(BadSignature):
        verified_head(both, [other.verifier])
    with pytest.raises(BadSignature):
        verified(both, [Signer("ledger.example/log", bytes(32)).verifier])
    note = parse_note(both)
    false = Signature(other.verifier.name, other.verifier.key_id, bytes(64))
    forged = render_note(Note(note.text, (false, note.signatures[1])))
    with pytest.raises(BadSignature):
        verified(forged, [SIGNER.verifier, other.verifier])


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u00a0b", "a\n", "\ud800"])
def test_names_that_cannot_be_told_apart(name: str) -> None:
    """A key's name holds no blank and no plus sign."""
    with pytest.raises(MalformedNote):
        Verifier(name, SIGNER.verifier.public_key)
    with pytest.raises(MalformedNote):
        Signer(name, bytes(32))


def test_limits() -> None:
    """A note beyond the limits is refused before work is done on it."""
    line = render_note(Note("a\n", (SIGNER.sign("a\n"),)))[3:]
    assert len(parse_note(b"a\n\n" + line * 100).signatures) == 100
    for raw in (b"a\n\n" + line * 101, b"a" * 1_000_001 + b"\n\n" + line):
        with pytest.raises(MalformedNote):
            parse_note(raw)
