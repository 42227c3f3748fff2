"""One opt-out's whole way: run 1 consumed the photo; its owner objects; run 2 trains without it and its copies, and proves that."""

from pathlib import Path

import pytest
from sqlalchemy import select

from config import Config
from demur.runs import AbsenceProof, InclusionProof, RunRecord
from demur.signing import SigningKey
from jobs.workplace import Workplace, now
from models import Account, RunState, TrainingRun
from models.migrating import migrate
from rights.accounts import sign_in
from rights.imports import import_and_register
from rights.optouts import Photos, file_opt_outs
from rights.photos import get_photo
from rights.runs import consumption_proof, queue_run
from rights.signing_keys import make_keys
from tests.support.settling import settle

COPIES_BY_OTHERS = {"ben-exact", "ben-recompressed", "ben-resized", "cleo-cropped", "cleo-mirrored"}


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    config = Config(data_dir=tmp_path, train_tier="tests")
    make_keys(config.keys_dir, config.list_name)
    migrate(config.database)
    return Workplace.open(config)


@pytest.mark.slow
def test_opted_out_photo_is_absent_from_the_next_run(workplace: Workplace, photos_dir: Path):
    import_and_register(workplace.writing, workplace.catalogues, photos_dir, "photos", clock=now)
    ada = account_of(workplace, "ada")

    first = train(workplace, "Run 1")
    photo = photo_of(workplace, ada, "ada-0")
    assert [run.name for run in photo.runs] == ["Run 1"]
    assert isinstance(consumption_proof(workplace.runs, first, "ada-0"), InclusionProof)

    with workplace.writing.begin() as session:
        file_opt_outs(session, workplace.catalogues, ada, Photos(("ada-0",)), now=now())
    settle(workplace)
    photo = photo_of(workplace, ada, "ada-0")
    assert photo.listed_since == 1
    assert [run.name for run in photo.runs] == ["Run 1"], "a list changes no model that was trained before"

    second = train(workplace, "Run 2")
    photo = photo_of(workplace, ada, "ada-0")
    assert [run.name for run in photo.runs] == ["Run 1"]
    assert [run.name for run in photo.absent_from] == ["Run 2"]
    assert second.list_version is not None
    assert second.list_version >= photo.listed_since

    record = RunRecord.parse(workplace.runs.record(second), [run_signer(workplace)])
    for uid in {"ada-0"} | COPIES_BY_OTHERS:
        proof = consumption_proof(workplace.runs, second, uid)
        assert isinstance(proof, AbsenceProof)
        proof.verify(record.consumed.root, record.consumed.size, record.run_id, uid)
    assert first.consumed_size is not None
    assert second.consumed_size == first.consumed_size - 1 - len(COPIES_BY_OTHERS)


def account_of(workplace: Workplace, owner: str) -> Account:
    with workplace.writing.begin() as session:
        return sign_in(session, iss="https://id.example", sub=owner, owner=owner, display_name=owner.title(), now=now())


def photo_of(workplace: Workplace, account: Account, uid: str):
    with workplace.reading() as session:
        return get_photo(session, workplace.catalogues, workplace.runs, account.owners, uid)


def train(workplace: Workplace, name: str) -> TrainingRun:
    with workplace.writing.begin() as session:
        queue_run(session, name, "tests", now())
    settle(workplace)
    with workplace.reading() as session:
        run = session.scalars(select(TrainingRun).where(TrainingRun.name == name)).one()
    assert run.state is RunState.RECORDED, run.failure_reason
    return run


def run_signer(workplace: Workplace):
    return SigningKey.load(workplace.config.keys_dir / "run-signer.pem").verifier
