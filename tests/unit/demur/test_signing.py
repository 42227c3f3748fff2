import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from demur.signing import (
    BadEnvelope,
    BadKey,
    BadSignature,
    Signed,
    SigningError,
    SigningKey,
    UnknownKey,
    VerifyKey,
    open_envelope,
    peek_envelope,
)

KEY = SigningKey.generate("op.example/list")
TYPE = "http://example.com/HelloWorld"
ENVELOPE = KEY.sign(b"hello world", TYPE)


def test_the_signature_is_over_the_dsse_pre_authentication_encoding() -> None:
    signature = base64.b64decode(json.loads(ENVELOPE)["signatures"][0]["sig"])
    public = Ed25519PublicKey.from_public_bytes(KEY.verifier.public)
    public.verify(signature, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world")  # the protocol's own example


def test_the_key_text_is_that_of_a_c2sp_signed_note() -> None:
    text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"  # from the documentation of Go's sumdb/note
    key = VerifyKey.parse(text)
    assert (key.name, key.key_id, str(key)) == ("PeterNeumann", "PeterNeumann+c74f20a3", text)


@given(st.binary(max_size=200), st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_envelopes_open_to_what_was_signed(payload: bytes, payload_type: str) -> None:
    envelope = KEY.sign(payload, payload_type)
    assert open_envelope(envelope, payload_type, [KEY.verifier]) == Signed(payload, KEY.verifier)
    assert peek_envelope(envelope) == (payload_type, payload)


def test_every_changed_byte_is_refused() -> None:
    for position in range(len(ENVELOPE)):
        for change in (1, 2, 32, 128):
            broken = bytearray(ENVELOPE)
            broken[position] ^= change
            with pytest.raises(SigningError):
                open_envelope(bytes(broken), TYPE, [KEY.verifier])


@pytest.mark.parametrize("cut", [0, 1, len(ENVELOPE) // 2, len(ENVELOPE) - 1])
def test_a_cut_envelope_is_refused(cut: int) -> None:
    with pytest.raises(BadEnvelope):
        open_envelope(ENVELOPE[:cut], TYPE, [KEY.verifier])


@given(
    st.binary(max_size=100) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(lambda value: json.dumps(value).encode())
)
def test_rubbish_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(BadEnvelope):
        open_envelope(data, TYPE, [KEY.verifier])


def test_another_payload_type_is_refused() -> None:
    with pytest.raises(BadEnvelope):
        open_envelope(ENVELOPE, "http://example.com/Other", [KEY.verifier])


def test_another_key_is_unknown_and_a_namesake_is_bad() -> None:
    with pytest.raises(UnknownKey):
        open_envelope(ENVELOPE, TYPE, [SigningKey.generate(KEY.name).verifier])
    with pytest.raises(UnknownKey):
        open_envelope(ENVELOPE, TYPE, [])
    fields = json.loads(ENVELOPE)
    fields["signatures"][0]["sig"] = base64.b64encode(bytes(64)).decode()
    with pytest.raises(BadSignature):
        open_envelope(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode(), TYPE, [KEY.verifier])


def test_private_keys_are_kept_with_their_name_for_their_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    KEY.save(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert SigningKey.load(file).verifier == KEY.verifier
    assert SigningKey.load(file).sign(b"hello world", TYPE) == ENVELOPE


def test_a_key_without_a_name_line_is_named_by_its_file(tmp_path: Path) -> None:
    file = tmp_path / "elsewhere.pem"
    KEY.save(file)
    file.write_text("".join(file.read_text().splitlines(keepends=True)[1:]))
    assert SigningKey.load(file).name == "elsewhere"


@pytest.mark.parametrize("content", ["", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_file_without_a_key_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "key"
    file.write_text(content)
    with pytest.raises(BadKey):
        SigningKey.load(file)
    with pytest.raises(BadKey):
        VerifyKey.load(file)


def test_public_keys_load_from_text_and_file(tmp_path: Path) -> None:
    file = tmp_path / "key.pub"
    file.write_text(f"{KEY.verifier}\n")
    assert VerifyKey.load(str(KEY.verifier)) == VerifyKey.load(file) == VerifyKey.load(str(file)) == KEY.verifier


def test_a_mistyped_public_key_is_refused() -> None:
    text = str(KEY.verifier)
    for position in range(len(text)):
        with pytest.raises(BadKey):
            VerifyKey.parse(text[:position] + ("A" if text[position] != "A" else "B") + text[position + 1 :])


@pytest.mark.parametrize("name", ["", "two words", "a+b", "line\nbreak"])
def test_names_that_cannot_be_written_are_refused(name: str) -> None:
    with pytest.raises(BadKey):
        SigningKey.generate(name)
