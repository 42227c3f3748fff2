"""L8: a token that may hand in run records sends one of 300 MB."""

from demur.runs.record import MOST_BYTES, BadRunRecord, RunRecord
from demur.signing import SigningKey
from tests.hostile.measuring import run_measured


def parse(size: int) -> str:
    """As the portal does: no more is read than a record can have."""
    with open("/dev/zero", "rb") as endless:
        envelope = b'{"payload":"' + endless.read(min(size, MOST_BYTES + 1))
    try:
        RunRecord.parse(envelope, [SigningKey.generate("trainer").verifier])
    except BadRunRecord as refused:
        return str(refused)
    return "taken"


def lists_in_lists(size: int) -> str:
    """The costliest JSON of the size that is taken: each two letters become an object of some sixty bytes."""
    envelope = b'{"payload":[' + b"{}," * ((size - 60) // 3) + b'{}],"payloadType":"x","signatures":[]}'
    try:
        RunRecord.parse(envelope, [SigningKey.generate("trainer").verifier])
    except Exception as refused:
        return type(refused).__name__
    return "taken"


def test_a_record_is_bounded_before_it_is_parsed():
    measured = run_measured(parse, 300_000_000)
    assert measured.output == "a run record has at most 8,000,000 bytes\n"
    measured.refuse_costly()


def test_the_costliest_record_that_is_parsed_is_refused_in_little_memory():
    measured = run_measured(lists_in_lists, MOST_BYTES)
    assert measured.output == "BadEnvelope\n"
    measured.refuse_costly(most_seconds=20)
