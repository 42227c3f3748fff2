"""Ed25519 signatures in DSSE envelopes, with keys written as C2SP signed-note verifier keys.

Envelope: https://github.com/secure-systems-lab/dsse/blob/master/protocol.md. Key text: https://c2sp.org/signed-note.
An envelope is canonical JSON (see digests.py) with base64 of the standard alphabet, and it holds exactly the signatures that its kind has:
there is one spelling of it, no byte can change unseen, and nobody can add a signature to make the same statement look like another one.
"""

import base64
import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from demur.digests import canonical_json, parse_canonical
from demur.errors import Refused
from demur.files import FileTooLarge, atomic_write, read_file

MOST_KEY_BYTES = 1 << 16  # of a file of keys
_NAME_HEADER = "Demur-Key-Name: "
_NAME = re.compile(r"[^\s+\x00-\x20\x7f]{1,200}")
_MOST_SIGNATURES = 2  # of a key rotation; everything else is signed once
_MOST_VALUES = 1000  # of an envelope: a dozen, and commas in the names of keys


class SigningError(Refused):
    """A key or a signature cannot be used."""


class BadKey(SigningError):
    """The text or file is not an Ed25519 key of the expected form."""


class BadEnvelope(SigningError):
    """The bytes are not a canonical DSSE envelope of the expected payload type."""


class UnknownKey(SigningError):
    """The envelope carries no signature by a key that the reader trusts."""


class BadSignature(SigningError):
    """A signature by a trusted key does not fit the payload."""


@dataclass(frozen=True)
class VerifyKey:
    """A public key with its name; as text `name+hash+base64`, where hash is the first 4 bytes of SHA-256(name ‖ LF ‖ TYPE ‖ key)."""

    TYPE: ClassVar[bytes] = b"\x01"  # what its signatures are over: 0x01 is the text itself

    name: str
    public: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads the text form. Raises BadKey."""
        try:
            name, _, encoded = text.strip().split("+", 2)
            raw = _base64(encoded)
        except ValueError as error:
            raise BadKey("a verifier key looks like name+1a2b3c4d+base64") from error
        if len(raw) != 33 or raw[:1] != cls.TYPE or not _NAME.fullmatch(name):
            raise BadKey("it is a key for another kind of signature, or no Ed25519 key with a name")
        key = cls(name, raw[1:])
        if str(key) != text.strip():
            raise BadKey(f"the verifier key of {name} is mistyped, for its hash does not fit: copy it again, whole")
        return key

    @classmethod
    def load(cls, source: Path | str) -> Self:
        """Reads a key given as its text or as a file that holds its text. Raises BadKey, OSError."""
        text = str(source)
        if isinstance(source, str) and text.count("+") >= 2 and not Path(text).exists():
            return cls.parse(text)
        try:
            return cls.parse(read_file(source, MOST_KEY_BYTES).decode())
        except (UnicodeDecodeError, FileTooLarge) as error:
            raise BadKey(f"{source} holds no verifier key") from error

    @cached_property
    def key_hash(self) -> bytes:
        """The 4 bytes by which a signature says which key of a name made it. A hint: other keys may have the same, so whole keys decide."""
        return hashlib.sha256(self.name.encode() + b"\n" + self.TYPE + self.public).digest()[:4]

    @property
    def key_id(self) -> str:
        """`name+hash`: names the key in an envelope."""
        return f"{self.name}+{self.key_hash.hex()}"

    def __str__(self) -> str:
        return f"{self.key_id}+{base64.b64encode(self.TYPE + self.public).decode()}"

    def fits(self, signature: bytes, message: bytes) -> bool:
        """Whether this key made the signature over the message."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True

    def verify(self, signature: bytes, message: bytes) -> None:
        """Returns when the signature fits. Raises BadSignature."""
        if not self.fits(signature, message):
            raise BadSignature(f"the signature by {self.key_id} does not fit the content: it was changed, or signed by someone else")


@dataclass(frozen=True)
class SigningKey:
    """A private key with its name. Kept as PEM PKCS#8, readable by its owner only, with the name in a line before the PEM block."""

    name: str
    private: Ed25519PrivateKey

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise BadKey(f"a key name has no space and no plus sign, unlike {self.name!r}")

    @classmethod
    def generate(cls, name: str) -> Self:
        """A new random key. Raises BadKey for a name with a space or a plus sign."""
        return cls(name, Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Reads a key file; without a name line the file's stem names the key. Raises BadKey, OSError."""
        try:
            data = read_file(path, MOST_KEY_BYTES)
        except FileNotFoundError as error:
            raise BadKey(f"there is no key {path}; it must be made first") from error
        except FileTooLarge as error:
            raise BadKey(f"{path} holds no key: {error}") from error
        head, mark, _ = data.partition(b"-----BEGIN")
        name = head.decode(errors="replace").strip().removeprefix(_NAME_HEADER) or Path(path).stem
        try:
            private = serialization.load_pem_private_key(data[len(head) :], password=None) if mark else None
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise BadKey(f"{path} is not an unencrypted PEM key") from error
        if not isinstance(private, Ed25519PrivateKey):
            raise BadKey(f"{path} holds no Ed25519 key")
        return cls(name, private)

    def save(self, path: Path | str) -> None:
        """Writes the key file with mode 0600. Raises OSError."""
        encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        pem = self.private.private_bytes(encoding, form, serialization.NoEncryption())
        atomic_write(path, f"{_NAME_HEADER}{self.name}\n".encode() + pem, mode=0o600)

    @property
    def verifier(self) -> VerifyKey:
        """The public half."""
        return VerifyKey(self.name, self.private.public_key().public_bytes_raw())

    def sign(self, payload: bytes, payload_type: str) -> bytes:
        """The DSSE envelope around a payload, as canonical JSON. Deterministic: the same payload gives the same bytes."""
        return _Envelope(payload, payload_type, [self._signature(payload, payload_type)]).to_bytes()

    def cosign(self, data: bytes) -> bytes:
        """The same envelope with this key's signature after those that it has. Raises BadEnvelope."""
        signed = _Envelope.parse(data)
        mine = self._signature(signed.payload, signed.payload_type)
        return _Envelope(signed.payload, signed.payload_type, [*signed.signatures, mine]).to_bytes()

    def _signature(self, payload: bytes, payload_type: str) -> tuple[str, bytes]:
        return self.verifier.key_id, self.private.sign(_pre_authentication(payload, payload_type))


@dataclass(frozen=True)
class Signed:
    """What an envelope holds, and the trusted key that signed it."""

    payload: bytes
    signer: VerifyKey


def open_envelope(data: bytes, payload_type: str, keys: Collection[VerifyKey]) -> Signed:
    """The content of an envelope with one signature, made by one of `keys`.

    Raises BadEnvelope (form, another payload type, more than one signature), UnknownKey, BadSignature.
    """
    envelope = _parsed(data, payload_type, signatures=1)
    (key_id, signature) = envelope.signatures[0]
    return Signed(envelope.payload, _signer(envelope, key_id, signature, keys))


def open_cosigned(data: bytes, payload_type: str, first: VerifyKey, second: VerifyKey) -> bytes:
    """The payload of an envelope that two keys signed, in this order, and nobody else. Raises BadEnvelope, UnknownKey, BadSignature."""
    envelope = _parsed(data, payload_type, signatures=2)
    for key, (key_id, signature) in zip((first, second), envelope.signatures, strict=True):
        _signer(envelope, key_id, signature, [key])
    return envelope.payload


def _parsed(data: bytes, payload_type: str, signatures: int) -> "_Envelope":
    envelope = _Envelope.parse(data)
    if envelope.payload_type != payload_type:
        raise BadEnvelope(f"the envelope holds {envelope.payload_type!r}, not {payload_type!r}")
    if len(envelope.signatures) != signatures:
        raise BadEnvelope(f"the envelope has {len(envelope.signatures)} signatures, but one of this kind has {signatures}")
    return envelope


def _signer(envelope: "_Envelope", key_id: str, signature: bytes, keys: Collection[VerifyKey]) -> VerifyKey:
    """The whole key that made a signature: of several with the same id, each is tried. Raises UnknownKey, BadSignature."""
    candidates = [key for key in keys if key.key_id == key_id]
    if not candidates:
        raise UnknownKey(f"signed by {key_id}, which is not a key given as trusted")
    message = _pre_authentication(envelope.payload, envelope.payload_type)
    for key in candidates[:-1]:
        if key.fits(signature, message):
            return key
    candidates[-1].verify(signature, message)
    return candidates[-1]


def peek_envelope(data: bytes) -> tuple[str, bytes]:
    """Payload type and payload that an envelope claims, UNVERIFIED. To choose how to verify it, or to read one's own file.

    Raises BadEnvelope.
    """
    envelope = _Envelope.parse(data)
    return envelope.payload_type, envelope.payload


def signers_of(data: bytes) -> list[str]:
    """The key ids of those who an envelope claims signed it, UNVERIFIED: for messages. Raises BadEnvelope."""
    return [key_id for key_id, _ in _Envelope.parse(data).signatures]


@dataclass(frozen=True)
class _Envelope:
    payload: bytes
    payload_type: str
    signatures: list[tuple[str, bytes]]

    @classmethod
    def parse(cls, data: bytes) -> Self:
        try:
            fields = parse_canonical(data, _MOST_VALUES)
            if set(fields) != {"payload", "payloadType", "signatures"}:
                raise BadEnvelope("the envelope is not canonical JSON with payload, payloadType and signatures")
            if not isinstance(fields["signatures"], list) or not 0 < len(fields["signatures"]) <= _MOST_SIGNATURES:
                raise BadEnvelope(f"the envelope has no signature, or more than {_MOST_SIGNATURES}")
            signatures = [_signature(item) for item in fields["signatures"]]
            payload, payload_type = _base64(fields["payload"]), fields["payloadType"]
            if not isinstance(payload_type, str):
                raise BadEnvelope("the envelope does not say what it holds")
        except (ValueError, TypeError, KeyError) as error:
            raise BadEnvelope("the signed envelope (DSSE) is cut short or damaged: it cannot be read as JSON and base64") from error
        if len({key_id for key_id, _ in signatures}) != len(signatures):
            raise BadEnvelope("the envelope is signed twice by one key")
        return cls(payload, payload_type, signatures)

    def to_bytes(self) -> bytes:
        return canonical_json(
            {
                "payload": base64.b64encode(self.payload).decode(),
                "payloadType": self.payload_type,
                "signatures": [{"keyid": key_id, "sig": base64.b64encode(signature).decode()} for key_id, signature in self.signatures],
            }
        )


def _signature(item: object) -> tuple[str, bytes]:
    """Raises BadEnvelope, ValueError."""
    if not isinstance(item, dict) or set(item) != {"keyid", "sig"} or not isinstance(item["keyid"], str):
        raise BadEnvelope("a signature of the envelope has other fields than keyid and sig")
    return item["keyid"], _base64(item["sig"])


def _base64(text: str) -> bytes:
    """Decodes the one canonical spelling only: stray bits after the padding are refused too."""
    raw = base64.b64decode(text, validate=True)
    if base64.b64encode(raw).decode() != text:
        raise ValueError("base64 with stray bits")
    return raw


def _pre_authentication(payload: bytes, payload_type: str) -> bytes:
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
