"""Signed notes: what the log signs, what a witness adds, and that no byte of either can change unseen."""

import base64
from datetime import UTC, datetime

import pytest

from demur.errors import DemurError
from demur.signing import BadKey, BadSignature, SigningKey, UnknownKey, VerifyKey
from demur.tlog import merkle
from demur.tlog.checkpoint import BadCheckpoint, LogCheckpoint, WitnessKey, WrongOrigin

KEY, WITNESS = SigningKey.generate("demur.example/log"), SigningKey.generate("witness.example/w1")
NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
SIGNED = LogCheckpoint(KEY.name, 5, merkle.leaf_hash(b"root")).sign(KEY)
WITNESS_KEY = WitnessKey(WITNESS.name, WITNESS.verifier.public)

# The example of https://c2sp.org/signed-note: Go's sumdb.
SUMDB_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SUMDB_NOTE = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n",
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=",
)


def test_a_key_and_a_signature_of_go_are_understood():
    key = VerifyKey.parse(SUMDB_KEY)
    assert str(key) == SUMDB_KEY

    raw = base64.b64decode(SUMDB_NOTE[1].split(" ")[2])
    assert raw[:4] == key.key_hash
    key.verify(raw[4:], SUMDB_NOTE[0].encode())


def test_a_checkpoint_comes_back_as_it_was_signed():
    assert LogCheckpoint.open(str(SIGNED), KEY.verifier) == SIGNED


def test_a_witness_says_when_it_saw_the_tree():
    cosigned = SIGNED.cosign(WITNESS, NOW)
    assert LogCheckpoint.open(str(cosigned), KEY.verifier).seen_at(WITNESS_KEY) == NOW
    with pytest.raises(UnknownKey, match="carries no signature by witness"):
        SIGNED.seen_at(WITNESS_KEY)


def test_a_cosignature_is_over_its_time_and_tree():
    cosigned, other = SIGNED.cosign(WITNESS, NOW), LogCheckpoint(KEY.name, 6, SIGNED.root).sign(KEY)
    with pytest.raises(BadSignature):
        other.merged(cosigned.signatures).seen_at(WITNESS_KEY)


def test_a_witness_that_signs_again_replaces_its_older_signature():
    twice = SIGNED.cosign(WITNESS, NOW).cosign(WITNESS, NOW.replace(minute=40))
    assert len(twice.signatures) == 2
    assert twice.seen_at(WITNESS_KEY).minute == 40


def test_a_witness_key_is_no_log_key():
    with pytest.raises(BadKey):
        VerifyKey.parse(str(WITNESS_KEY))
    assert WitnessKey.parse(str(WITNESS_KEY)) == WITNESS_KEY


def test_another_logs_checkpoint_is_refused():
    with pytest.raises(WrongOrigin):
        LogCheckpoint.open(str(SIGNED), SigningKey.generate("other.example/log").verifier)
    with pytest.raises(UnknownKey):
        LogCheckpoint.open(str(SIGNED), SigningKey.generate(KEY.name).verifier)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "a\n1\nAAAA\n",
        str(SIGNED).replace("\n5\n", "\n05\n"),
        str(SIGNED).replace("\n5\n", "\n-5\n"),
        str(SIGNED).replace("\n\n", "\nextension\n\n"),
        str(SIGNED) + "\n",
        str(SIGNED).removesuffix("\n"),
        str(SIGNED) * 2,
        str(SIGNED).replace("— ", "- "),
        SIGNED.body + "\n" + str(SIGNED.signatures[0]) * 70,
    ],
)
def test_another_spelling_is_refused(text: str):
    with pytest.raises(BadCheckpoint):
        LogCheckpoint.open(text, KEY.verifier)


def test_no_single_byte_can_change():
    cosigned = SIGNED.cosign(WITNESS, NOW)
    data = str(cosigned).encode()
    for position in range(len(data)):
        for flip in (1, 2, 4, 8, 16, 32, 64, 128):
            changed = bytearray(data)
            changed[position] ^= flip
            try:
                text = changed.decode()
            except UnicodeDecodeError:
                continue
            with pytest.raises(DemurError):
                LogCheckpoint.open(text, KEY.verifier).seen_at(WITNESS_KEY)
