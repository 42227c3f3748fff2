"""The signed record of a training run: an in-toto Statement in a DSSE envelope (docs/formats/run-record.md)."""

from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Self

from demur.digests import canonical_json, parse_canonical
from demur.errors import DemurError
from demur.exclusions.head import Head
from demur.fields import count, digest, fields, items, parse_rfc3339, rfc3339, text
from demur.signing import SigningKey, VerifyKey, open_envelope

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:uuid:62306696-80d8-5500-bd80-c22d27464848"  # a name of its own: nobody need own a domain, or keep one
FIRST_PREDICATE_TYPE = "https://demur.example/training-run/v1"  # of records signed up to November 2026: the same form, read for ever
MOST_BYTES = 8_000_000  # of a record's envelope: thousands of manifests and settings


class BadRunRecord(DemurError, ValueError):
    """The signed payload is not a run record of a known format."""


@dataclass(frozen=True)
class ListReference:
    """The exclusion list version that a run was filtered by."""

    list_id: str
    version: int
    root: str
    published_at: datetime

    @classmethod
    def of(cls, head: Head) -> Self:
        return cls(head.list_id, head.version, head.root, head.published_at)

    def to_fields(self) -> dict[str, Any]:
        """Ready for canonical JSON."""
        return {"list_id": self.list_id, "version": self.version, "root": self.root, "published_at": rfc3339(self.published_at)}

    @classmethod
    def from_fields(cls, found: dict[str, Any]) -> Self:
        """Raises ValueError, KeyError."""
        return cls(text(found["list_id"]), count(found["version"]), digest(found["root"]), parse_rfc3339(found["published_at"]))


@dataclass(frozen=True)
class ManifestReference:
    """A manifest that a run read: SHA-256 of its catalogue's rows.parquet, and its number of rows before filtering."""

    name: str
    digest: str
    rows: int


@dataclass(frozen=True)
class ConsumedReference:
    """Root (hex) and size of the tree over the run's consumed samples."""

    root: str
    size: int


@dataclass(frozen=True)
class Stage:
    """One stage of training: how many samples it consumed, and a SHA-256 over them in the order of training."""

    name: str
    samples: int
    digest: str


@dataclass(frozen=True)
class RunRecord:
    """What a training run consumed, by which list it was filtered, and what it would take to train it again.

    Digests are SHA-256 in hex, times are UTC in whole seconds. `exclusion_list` is None only for a run from before any list was published.
    `dropped` counts rows by reason. Numbers in `config` and `metrics` that are not whole are decimal text.
    """

    run_id: str
    name: str
    started_at: datetime
    finished_at: datetime
    tier: str
    exclusion_list: ListReference | None
    manifests: tuple[ManifestReference, ...]
    consumed: ConsumedReference
    stages: tuple[Stage, ...]
    dropped: dict[str, int]
    seed: int
    config: dict[str, Any]
    code_digest: str
    lock_digest: str
    libraries: dict[str, str]
    threads: int
    device: str
    weights_digest: str
    metrics: dict[str, str | int] = field(default_factory=dict)
    evidence: tuple[dict[str, Any], ...] = ()

    def to_statement(self) -> dict[str, Any]:
        """The in-toto Statement, ready for canonical JSON. Raises ValueError for a time without a zone."""
        predicate = asdict(self)
        del predicate["exclusion_list"]
        reference = self.exclusion_list.to_fields() if self.exclusion_list else None
        predicate |= {"list": reference, "started_at": rfc3339(self.started_at), "finished_at": rfc3339(self.finished_at)}
        return {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": "weights", "digest": {"sha256": self.weights_digest}}],
            "predicateType": PREDICATE_TYPE,
            "predicate": predicate,
        }

    def sign(self, key: SigningKey) -> bytes:
        """The DSSE envelope. Raises BadRunRecord when the record would not be readable again (a float, a malformed digest, …)."""
        try:
            payload = canonical_json(self.to_statement())
        except ValueError as error:
            raise BadRunRecord(f"the run record cannot be written: {error}") from error
        _read(payload)
        return key.sign(payload, PAYLOAD_TYPE)

    @classmethod
    def parse(cls, envelope: bytes, keys: Collection[VerifyKey]) -> "RunRecord":
        """Verifies and reads a record of at most MOST_BYTES. Raises BadEnvelope, UnknownKey, BadSignature (demur.signing), BadRunRecord."""
        if len(envelope) > MOST_BYTES:
            raise BadRunRecord(f"a run record has at most {MOST_BYTES:,} bytes")
        return _read(open_envelope(envelope, PAYLOAD_TYPE, keys).payload)


def _read(payload: bytes) -> RunRecord:
    try:
        statement = parse_canonical(payload)
        if statement["_type"] != STATEMENT_TYPE or statement["predicateType"] not in (PREDICATE_TYPE, FIRST_PREDICATE_TYPE):
            raise BadRunRecord("the statement is not about a training run")
        record = _record(statement["predicate"])
        subject = statement["subject"]
    except BadRunRecord:
        raise
    except (ValueError, TypeError, KeyError) as error:
        raise BadRunRecord(f"the run record cannot be read: {error!r}") from error
    if subject != [{"name": "weights", "digest": {"sha256": record.weights_digest}}]:
        raise BadRunRecord("the run record names other weights in its subject than in its predicate")
    if record.finished_at < record.started_at:
        raise BadRunRecord("the run record ends before it starts")
    return record


def _record(predicate: dict[str, Any]) -> RunRecord:
    return RunRecord(
        run_id=text(predicate["run_id"]),
        name=text(predicate["name"]),
        started_at=parse_rfc3339(predicate["started_at"]),
        finished_at=parse_rfc3339(predicate["finished_at"]),
        tier=text(predicate["tier"]),
        exclusion_list=ListReference.from_fields(fields(predicate["list"])) if predicate["list"] is not None else None,
        manifests=tuple(ManifestReference(text(m["name"]), digest(m["digest"]), count(m["rows"])) for m in items(predicate["manifests"])),
        consumed=ConsumedReference(digest(predicate["consumed"]["root"]), count(predicate["consumed"]["size"])),
        stages=tuple(Stage(text(s["name"]), count(s["samples"]), digest(s["digest"])) for s in items(predicate["stages"])),
        dropped={text(reason): count(rows) for reason, rows in fields(predicate["dropped"]).items()},
        seed=count(predicate["seed"]),
        config=fields(predicate["config"]),
        code_digest=digest(predicate["code_digest"]),
        lock_digest=digest(predicate["lock_digest"]),
        libraries={text(name): text(version) for name, version in fields(predicate["libraries"]).items()},
        threads=count(predicate["threads"]),
        device=text(predicate["device"]),
        weights_digest=digest(predicate["weights_digest"]),
        metrics={text(name): _metric(value) for name, value in fields(predicate["metrics"]).items()},
        evidence=tuple(items(predicate["evidence"])),
    )


def _metric(value: object) -> str | int:
    return value if type(value) is int else text(value)
