"""Test vectors of receipts and of the log that they lie in, for implementations in any language (docs/formats/receipt.md).

    python -m tests.support.receipt_vectors

writes tests/vectors/receipt and tests/vectors/transparency-log anew. Keys, salts and times are fixed, so the bytes are always the same.
"""

import base64
import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from demur.digests import canonical_json
from demur.receipts import LogKind, Receipt, Statement, commitment
from demur.receipts.statement import PAYLOAD_TYPE
from demur.runs import ListReference
from demur.signing import SigningKey
from demur.tlog import merkle
from demur.tlog.checkpoint import LogCheckpoint, WitnessKey
from demur.tlog.files import LogFiles

VECTORS = Path(__file__).parents[1] / "vectors"
RECEIPTS, LOG = VECTORS / "receipt", VECTORS / "transparency-log"
AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
LEAVES = 259  # more than one tile, and an odd rest
LIST = ListReference("op.example/opt-outs", 12, hashlib.sha256(b"a root").hexdigest(), AT)


def fixed_key(name: str) -> SigningKey:
    """The key whose seed is the SHA-256 of its name."""
    return SigningKey(name, Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest()))


LOG_KEY = fixed_key("op.example/opt-outs/log")
OTHER_KEY = fixed_key("op.example/another/log")
WITNESSES = (fixed_key("witness.example/one"), fixed_key("witness.example/two"))


def statements() -> dict[str, Statement]:
    """One of each kind, and some that are easily read wrongly."""
    photos, uids = ("ada-1",), tuple(sorted({hashlib.sha256(b"%d" % n).hexdigest()[:32] for n in range(40)}))
    digest = hashlib.sha256(b"a record").hexdigest()
    return {
        "opt_out_filed": Statement(LogKind.OPT_OUT_FILED, AT, "DM-7Q4K-92XF", photos),
        "opt_out_listed": Statement(LogKind.OPT_OUT_LISTED, AT, "DM-7Q4K-92XF", photos, exclusion_list=LIST),
        "opt_out_withdrawn": Statement(LogKind.OPT_OUT_WITHDRAWN, AT, "DM-7Q4K-92XF", photos),
        "list_published": Statement(LogKind.LIST_PUBLISHED, AT, exclusion_list=LIST),
        "run_recorded": Statement(LogKind.RUN_RECORDED, AT, exclusion_list=LIST, run_id="r-7", run_name="Run 7", record_digest=digest),
        "run_without_a_list": Statement(LogKind.RUN_RECORDED, AT, run_id="r-1", run_name="Run 1", record_digest=digest),
        "many_photos": Statement(LogKind.OPT_OUT_FILED, AT, "DM-0000-0001", uids),
        "looked_up_picture": Statement(LogKind.OPT_OUT_FILED, AT, "DM-0000-0002", pictures=(digest,)),
        "everything_of_an_owner": Statement(LogKind.OPT_OUT_FILED, AT, "DM-0000-0003", owners=("amara.okafor",)),
        # U+FFFD stands before U+1F4F7, but after it where halves of surrogate pairs are compared
        "order_of_code_points": Statement(LogKind.OPT_OUT_FILED, AT, "DM-0000-0004", ("a", "\x7f", "é", "\u2028", "\ufffd", "📷")),
        "escapes": Statement(LogKind.OPT_OUT_FILED, AT, 'DM "5" \\ / \b\f\n\r\t\x01', ("<&'>",)),
        "opt_out_denied": Statement(LogKind.OPT_OUT_DENIED, AT, "DM-7Q4K-92XF", photos),
        "opt_out_held": Statement(LogKind.OPT_OUT_HELD, AT, "DM-7Q4K-92XF", photos),
        "opt_out_released": Statement(LogKind.OPT_OUT_RELEASED, AT, "DM-7Q4K-92XF", pictures=(digest,)),
        "opt_out_limited": Statement(LogKind.OPT_OUT_LIMITED, AT, "DM-7Q4K-92XF", pictures=(digest,)),
        "photo_contested": Statement(LogKind.PHOTO_CONTESTED, AT, photos=photos),
        "contest_accepted": Statement(LogKind.CONTEST_ACCEPTED, AT, photos=photos),
        "contest_refused": Statement(LogKind.CONTEST_REFUSED, AT, photos=("ada-1", "ada-2")),
    }


@dataclass(frozen=True)
class Log:
    """A log that holds the statements at places of its own, and leaves of nobody elsewhere."""

    leaves: list[bytes]

    def checkpoint(self, size: int, key: SigningKey = LOG_KEY) -> LogCheckpoint:
        return LogCheckpoint(key.name, size, merkle.root(self._hashes(size))).sign(key)

    def receipt(self, payload: bytes, index: int, checkpoint: LogCheckpoint) -> Receipt:
        proof = tuple(merkle.inclusion_proof(self._hashes(checkpoint.size), index))
        return Receipt(LOG_KEY.sign(payload, PAYLOAD_TYPE), salt(index), index, proof, str(checkpoint))

    def _hashes(self, size: int) -> list[bytes]:
        return [merkle.leaf_hash(leaf) for leaf in self.leaves[:size]]


PLACES = dict(zip(statements(), (0, 1, 2, 64, 127, 128, 200, 255, 256, 257, 258, 129, 130, 131, 132, 133, 134, 135), strict=True))


def salt(index: int) -> bytes:
    return hashlib.sha256(b"salt %d" % index).digest()


def log() -> Log:
    at = {place: statements()[name].payload() for name, place in PLACES.items()}
    return Log([commitment(salt(index), at.get(index, b"leaf %d" % index)) for index in range(LEAVES)])


def cosigned(checkpoint: LogCheckpoint) -> LogCheckpoint:
    for seconds, witness in enumerate(WITNESSES, start=1):
        checkpoint = checkpoint.cosign(witness, AT + timedelta(seconds=seconds))
    return checkpoint


def good() -> dict[str, Receipt]:
    """Receipts that hold. The log stood at 259 leaves, or at the size that the name tells."""
    found = log()
    whole = found.checkpoint(LEAVES)
    told = statements()
    receipts = {name: found.receipt(told[name].payload(), place, whole) for name, place in PLACES.items()}
    filed = told["opt_out_filed"].payload()
    for size in (1, 2, 256):
        receipts[f"in_a_log_of_{size}"] = found.receipt(filed, 0, found.checkpoint(size))
    receipts["cosigned"] = found.receipt(filed, 0, cosigned(whole))
    return receipts


Told = dict[str, Any]


def refused() -> Iterator[tuple[str, str, bytes]]:
    """What is wrong, the error that says so, and the bytes."""
    receipt = good()["opt_out_filed"]
    yield from _of_other_form(receipt)
    yield from _of_other_content(receipt)
    yield from _signed_but_wrong(receipt)
    yield from _with_another_checkpoint(receipt)


def _of_other_form(receipt: Receipt) -> Iterator[tuple[str, str, bytes]]:
    data = receipt.to_json()
    for name, changed in {
        "nothing": b"",
        "no line feed": data[:-1],
        "two line feeds": data + b"\n",
        "a byte order mark": b"\xef\xbb\xbf" + data,
        "UTF-16": data.decode().encode("utf-16"),
        "no UTF-8": data.replace(b"DM-", b"DM\xff", 1).replace(b'"format"', b'"for\xffat"', 1),
        "a space": data.replace(b'","leaf_index"', b'", "leaf_index"'),
        "a list": b"[]\n",
        "text": b'"demur-receipt/1"\n',
        "null": b"null\n",
        "lists in lists": b"[" * 5_000 + b"]" * 5_000 + b"\n",
        "a letter escaped for nothing": data.replace(b"demur-receipt/1", b"\\u0064emur-receipt/1"),
        "a field twice": data.replace(b'"leaf_index":0', b'"leaf_index":0,"leaf_index":0'),
        "another order": b'{"format"' + data.removeprefix(b'{"checkpoint"'),
        "no whole number": data.replace(b'"leaf_index":0', b'"leaf_index":0.0'),
        "minus zero": data.replace(b'"leaf_index":0', b'"leaf_index":-0'),
        "not a number": data.replace(b'"leaf_index":0', b'"leaf_index":NaN'),
        "1e+21": data.replace(b'"leaf_index":0', b'"leaf_index":1e+21'),
    }.items():
        yield name, "BadReceipt", changed
    for name, change in {
        "another format": {"format": "demur-receipt/2"},
        "one field more": {"note": "hello"},
        "an index below 0": {"leaf_index": -1},
        "an index of 2**53": {"leaf_index": 2**53},
        "an index that is true": {"leaf_index": True},
        "an index that is text": {"leaf_index": "0"},
        "a short salt": {"salt": "00" * 31},
        "upper-case digits": {"salt": receipt.salt.hex().upper()},
        "no digits": {"salt": "zz" * 32},
        "a proof that is no list": {"proof": {}},
        "a short node": {"proof": ["00" * 31]},
        "an envelope that is text": {"statement": "text"},
        "no checkpoint": {"checkpoint": ""},
        "a checkpoint that is a list": {"checkpoint": []},
    }.items():
        yield name, "BadReceipt", _with(receipt, **change)
    without = {name: value for name, value in json.loads(data).items() if name != "salt"}
    yield "no salt", "BadReceipt", canonical_json(without) + b"\n"
    yield "a lone surrogate", "BadReceipt", data.replace(b'"checkpoint":"', b'"checkpoint":"\\ud83d')


def _of_other_content(receipt: Receipt) -> Iterator[tuple[str, str, bytes]]:
    other = good()["opt_out_withdrawn"]
    for name, error, change in (
        ("another salt", "ProofRefused", {"salt": "00" * 32}),
        ("the next leaf", "ProofRefused", {"leaf_index": 1}),
        ("a leaf outside the tree", "ProofRefused", {"leaf_index": LEAVES}),
        ("the last leaf there can be", "ProofRefused", {"leaf_index": 2**53 - 1}),
        ("no proof", "ProofRefused", {"proof": []}),
        ("a proof that is too long", "ProofRefused", {"proof": [node.hex() for node in (*receipt.proof, bytes(32))]}),
        ("a proof that is too short", "ProofRefused", {"proof": [node.hex() for node in receipt.proof[:-1]]}),
        ("a proof from above", "ProofRefused", {"proof": [node.hex() for node in receipt.proof[::-1]]}),
        ("another leaf's proof", "ProofRefused", {"proof": [node.hex() for node in other.proof], "leaf_index": other.leaf_index}),
    ):
        yield name, error, _with(receipt, **change)


def _signed_but_wrong(receipt: Receipt) -> Iterator[tuple[str, str, bytes]]:
    """Envelopes, some of which only the operator could have signed."""
    envelope = json.loads(receipt.envelope)
    (mine,) = envelope["signatures"]
    payload = base64.b64decode(envelope["payload"])
    other = json.loads(OTHER_KEY.sign(payload, PAYLOAD_TYPE))["signatures"][0]
    for name, error, change in (
        ("no signature", "BadEnvelope", {"signatures": []}),
        ("a signature that is text", "BadEnvelope", {"signatures": [mine["sig"]]}),
        ("a signature without a key", "BadEnvelope", {"signatures": [{"sig": mine["sig"]}]}),
        ("stray bits in base64", "BadEnvelope", {"signatures": [mine | {"sig": mine["sig"][:-3] + "B=="}]}),
        ("base64 without padding", "BadEnvelope", {"signatures": [mine | {"sig": mine["sig"].rstrip("=")}]}),
        ("base64 with a line feed", "BadEnvelope", {"payload": envelope["payload"] + "\n"}),
        ("another payload type", "BadEnvelope", {"payloadType": "application/vnd.in-toto+json"}),
        ("a field more in the envelope", "BadEnvelope", {"note": "hello"}),
        ("another signer", "UnknownKey", {"signatures": [other]}),
        ("another key of the name", "UnknownKey", {"signatures": [mine | {"keyid": mine["keyid"][:-8] + "00000000"}]}),
        ("another payload", "BadSignature", {"payload": base64.b64encode(payload.replace(b"ada-1", b"ada-2")).decode()}),
        ("a short signature", "BadSignature", {"signatures": [mine | {"sig": base64.b64encode(bytes(63)).decode()}]}),
        ("an additional signature by an unknown key", "BadEnvelope", {"signatures": [mine, other]}),
        ("the same signature twice", "BadEnvelope", {"signatures": [mine, mine]}),
        ("an unsigned field inside a signature", "BadEnvelope", {"signatures": [mine | {"note": "hello"}]}),
        ("a payload in URL-safe base64", "BadEnvelope", {"payload": base64.urlsafe_b64encode(payload + b"???>>>").decode()}),
        ("one signature of two changed", "BadEnvelope", {"signatures": [mine, mine | {"sig": base64.b64encode(bytes(64)).decode()}]}),
    ):
        yield name, error, _with(receipt, statement=envelope | change)
    for name, changed in _statements(json.loads(payload)):
        yield name, "BadStatement", _with(receipt, statement=json.loads(LOG_KEY.sign(changed, PAYLOAD_TYPE)))


def _statements(told: Told) -> Iterator[tuple[str, bytes]]:
    for name, change in {
        "a statement of another format": {"format": "demur-statement/2"},
        "a statement of an unknown kind": {"kind": "constructor"},
        "a statement with a field more": {"note": "hello"},
        "a statement without a reference": {"reference": ""},
        "photos in another order": {"photos": ["b", "a"]},
        "photos in the order of UTF-16": {"photos": ["📷", "\ufffd"]},
        "a photo twice": {"photos": ["a", "a"]},
        "a photo without a name": {"photos": [""]},
        "photos that are text": {"photos": "a"},
        "a picture that is no digest": {"pictures": ["00" * 31]},
        "a day that is not": {"at": "2026-02-30T12:00:00Z"},
        "a second too many": {"at": "2026-11-21T12:00:60Z"},
        "24 o'clock": {"at": "2026-11-21T24:00:00Z"},
        "another time zone": {"at": "2026-11-21T12:00:00+01:00"},
        "a fraction of a second": {"at": "2026-11-21T12:00:00.5Z"},
        "a year of three digits": {"at": "0999-11-21T12:00:00Z"},
        "listed, but in no list": {"kind": "opt_out_listed", "list": None},
        "a list with a field more": {"kind": "opt_out_listed", "list": LIST.to_fields() | {"note": "hello"}},
        "a list's version that is text": {"kind": "opt_out_listed", "list": LIST.to_fields() | {"version": "12"}},
        "a list of a filed opt-out": {"list": LIST.to_fields()},
    }.items():
        yield name, canonical_json(told | change)
    yield "a statement without photos", canonical_json({name: value for name, value in told.items() if name != "photos"})
    yield "a statement that is spaced", json.dumps(told, sort_keys=True, ensure_ascii=False).encode()
    yield "a statement that is no JSON", b"hello"
    yield "a statement that is a list", b"[]"


def _with_another_checkpoint(receipt: Receipt) -> Iterator[tuple[str, str, bytes]]:
    found, text = log(), receipt.checkpoint
    body, _, line = text.partition("\n\n")
    unsigned = LogCheckpoint(LOG_KEY.name, LEAVES, found.checkpoint(LEAVES).root)
    many = "".join(f"— w{number} {base64.b64encode(bytes(8)).decode()}\n" for number in range(64))
    notes: dict[str, tuple[str, str]] = {
        "a checkpoint without an end": ("BadCheckpoint", text[:-1]),
        "a checkpoint with two ends": ("BadCheckpoint", text + "\n"),
        "a checkpoint without signatures": ("BadCheckpoint", body + "\n\n"),
        "a checkpoint of four lines": ("BadCheckpoint", f"{body}\nmore\n\n{line}"),
        "a checkpoint of a size with a zero before": ("BadCheckpoint", text.replace("259", "0259")),
        "a checkpoint of a size with a plus before": ("BadCheckpoint", text.replace("259", "+259")),
        "a checkpoint with a short root": ("BadCheckpoint", f"{LOG_KEY.name}\n259\n{base64.b64encode(bytes(31)).decode()}\n\n{line}"),
        "a checkpoint with another dash": ("BadCheckpoint", text.replace("— ", "- ")),
        "a checkpoint with a short signature": ("BadCheckpoint", f"{text}— w AAAA\n"),
        "a checkpoint with an empty line": ("BadCheckpoint", text.replace("\n—", "\n\n—")),
        "a checkpoint with 65 signatures": ("BadCheckpoint", text + many),
        "a checkpoint with a zero-width space": (
            "BadCheckpoint",
            text.replace("/log\n", "/log\u200b\n"),
        ),
        "a checkpoint with a no-break space": ("BadCheckpoint", text.replace("/log\n", "/log\xa0\n")),
        "a checkpoint by a witness alone": ("UnknownKey", str(unsigned.cosign(WITNESSES[0], AT))),
        "a checkpoint by another of the name": ("UnknownKey", str(unsigned.sign(_namesake()))),
        "a checkpoint with another size": ("BadSignature", text.replace("\n259\n", "\n260\n")),
        "a checkpoint with a size below 0": ("BadCheckpoint", text.replace("\n259\n", "\n-259\n")),
        "a checkpoint with a short signature of the log": ("BadSignature", f"{body}\n\n{_shortened(line)}"),
        "a checkpoint signed twice by the log": ("BadCheckpoint", text + line),
        "another log's checkpoint": ("WrongOrigin", str(found.checkpoint(LEAVES, OTHER_KEY))),
        "another tree's checkpoint": ("ProofRefused", str(LogCheckpoint(LOG_KEY.name, LEAVES, bytes(32)).sign(LOG_KEY))),
        "a signed size below 0": ("BadCheckpoint", str(replace(unsigned, size=-1).sign(LOG_KEY))),
        "a signed size of 0": ("ProofRefused", str(replace(unsigned, size=0).sign(LOG_KEY))),
        "a signed size of 2**53": ("BadCheckpoint", str(replace(unsigned, size=2**53).sign(LOG_KEY))),
        "the largest signed size": ("ProofRefused", str(replace(unsigned, size=2**53 - 1).sign(LOG_KEY))),
    }
    for name, (error, note) in notes.items():
        yield name, error, _with(receipt, checkpoint=note)


def _namesake() -> SigningKey:
    return replace(OTHER_KEY, name=LOG_KEY.name)


def _shortened(line: str) -> str:
    mark, name, encoded = line.split(" ")
    return f"{mark} {name} {base64.b64encode(base64.b64decode(encoded)[:-1]).decode()}\n"


def _with(receipt: Receipt, **change: Any) -> bytes:
    return canonical_json(json.loads(receipt.to_json()) | change) + b"\n"


def files() -> dict[str, bytes]:
    """Every file of the vectors of receipts, but the README."""
    kept = {f"good/{name}.json": receipt.to_json() for name, receipt in good().items()}
    wrong = [{"why": why, "error": error, "data": base64.b64encode(data).decode()} for why, error, data in refused()]
    kept["refused.json"] = (json.dumps(wrong, indent=1, ensure_ascii=False) + "\n").encode()
    kept["log.vkey"] = f"{LOG_KEY.verifier}\n".encode()
    for number, witness in enumerate(WITNESSES, start=1):
        kept[f"witness-{number}.vkey"] = f"{WitnessKey(witness.name, witness.verifier.public)}\n".encode()
    return kept


def write_log(directory: Path) -> None:
    """The log's files after it grew in three steps, with the cosignatures of both witnesses on its checkpoint."""
    leaves, written = log().leaves, LogFiles(directory)
    for start, stop in ((0, 1), (1, 200), (200, LEAVES)):
        checkpoint = written.append(leaves[start:stop], start, LOG_KEY)
    (directory / "checkpoint").write_text(str(cosigned(checkpoint)), encoding="utf-8")


def main() -> None:
    _emptied(RECEIPTS)
    for name, data in files().items():
        (RECEIPTS / name).parent.mkdir(parents=True, exist_ok=True)
        (RECEIPTS / name).write_bytes(data)
    _emptied(LOG)
    write_log(LOG)


def _emptied(directory: Path) -> None:
    for path in directory.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != "README.txt":
            path.unlink()


if __name__ == "__main__":
    main()
