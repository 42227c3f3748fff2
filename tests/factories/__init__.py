"""Rows for tests, made with factory-boy: `make_account(session, owner="ada")` adds one and flushes."""

from datetime import UTC, datetime
from typing import Any, TypeVar

import factory
from sqlalchemy.orm import Session

from models import (
    Account,
    Base,
    ExclusionListVersion,
    Identity,
    Manifest,
    ManifestState,
    OptOut,
    OptOutOrigin,
    OptOutScope,
    Outbox,
    Regime,
    RequestKind,
    RequestState,
    RightsRequest,
    RightsRequestEvent,
    RunState,
    TrainingRun,
)

Row = TypeVar("Row", bound=Base)

NOW = datetime(2026, 11, 21, 14, 2, tzinfo=UTC)
ISSUER = "https://id.photos.example"


class IdentityFactory(factory.Factory[Identity]):
    class Meta:
        model = Identity

    iss = ISSUER
    sub = factory.Sequence(lambda n: f"subject-{n}")
    owner = factory.SelfAttribute("sub")
    linked_at = NOW


class AccountFactory(factory.Factory[Account]):
    """``owner="ada"`` gives its one identity; ``identities=[…]`` gives several."""

    class Meta:
        model = Account

    class Params:
        owner = factory.Sequence(lambda n: f"owner-{n}")

    display_name = factory.LazyAttribute(lambda account: account.owner.title())
    created_at = NOW
    identities = factory.LazyAttribute(lambda account: [IdentityFactory(sub=account.owner, owner=account.owner)])


class ManifestFactory(factory.Factory[Manifest]):
    class Meta:
        model = Manifest

    name = factory.Sequence(lambda n: f"manifest-{n}")
    catalogue = factory.SelfAttribute("name")
    state = ManifestState.REGISTERED
    digest = factory.Sequence(lambda n: f"{n:064x}")
    rows = 1
    started_at = NOW
    registered_at = NOW
    updated_at = NOW


class RightsRequestFactory(factory.Factory[RightsRequest]):
    class Meta:
        model = RightsRequest

    account = factory.SubFactory(AccountFactory)
    reference = factory.Sequence(lambda n: f"DM-0000-{n:04d}")
    kind = RequestKind.OBJECTION
    regime = Regime.GDPR
    state = RequestState.IN_PROGRESS
    received_at = NOW
    events = factory.LazyAttribute(lambda request: [RightsRequestEvent(at=NOW, state=request.state)])


class OptOutFactory(factory.Factory[OptOut]):
    class Meta:
        model = OptOut

    request = factory.SubFactory(RightsRequestFactory)
    origin = OptOutOrigin.MEMBER
    scope = OptOutScope.PHOTO
    owner = "ada"
    subject = factory.Sequence(lambda n: f"ada-{n}")
    filed_at = NOW


class TrainingRunFactory(factory.Factory[TrainingRun]):
    class Meta:
        model = TrainingRun

    name = factory.Sequence(lambda n: f"Run {n + 1}")
    directory = factory.SelfAttribute("name")
    state = RunState.RECORDED
    tier = "tests"
    queued_at = NOW
    run_id = factory.Sequence(lambda n: f"run-{n}")
    started_at = NOW
    finished_at = NOW
    recorded_at = NOW


class ExclusionListVersionFactory(factory.Factory[ExclusionListVersion]):
    class Meta:
        model = ExclusionListVersion

    version = factory.Sequence(lambda n: n + 1)
    root = factory.Sequence(lambda n: f"{n:064x}")
    total = 0
    added = 0
    removed = 0
    counts = factory.LazyFunction(dict)
    published_at = NOW
    expires_at = datetime(2026, 12, 21, tzinfo=UTC)


class OutboxFactory(factory.Factory[Outbox]):
    class Meta:
        model = Outbox

    topic = "propagate_opt_outs"
    payload = factory.LazyFunction(dict)
    created_at = NOW
    available_at = NOW


def _added(session: Session, row: Row) -> Row:
    session.add(row)
    session.flush()
    return row


def make_account(session: Session, **values: Any) -> Account:
    return _added(session, AccountFactory(**values))


def make_manifest(session: Session, **values: Any) -> Manifest:
    return _added(session, ManifestFactory(**values))


def make_request(session: Session, **values: Any) -> RightsRequest:
    return _added(session, RightsRequestFactory(**values))


def make_opt_out(session: Session, **values: Any) -> OptOut:
    return _added(session, OptOutFactory(**values))


def make_run(session: Session, **values: Any) -> TrainingRun:
    return _added(session, TrainingRunFactory(**values))


def make_list_version(session: Session, **values: Any) -> ExclusionListVersion:
    return _added(session, ExclusionListVersionFactory(**values))


def make_outbox(session: Session, **values: Any) -> Outbox:
    return _added(session, OutboxFactory(**values))
