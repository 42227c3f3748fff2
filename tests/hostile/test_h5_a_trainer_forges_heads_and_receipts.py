"""H5: a trainer whose key is trusted for run records signs list heads and receipts by it, under the log's own name."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from demur.cli import main
from demur.receipts import LogKind, Receipt, Statement, commitment
from demur.receipts.statement import PAYLOAD_TYPE
from demur.signing import BadSignature, SigningKey, VerifyKey, open_envelope
from demur.tlog import merkle
from demur.tlog.checkpoint import LogCheckpoint
from demur.trust import Trust
from demur.verifying import Answer, Document, verify_documents
from tests.support.exclusion_lists import build_version_for_today, sign_head, uids

LIST, LOG, TRAINER = (SigningKey.generate(name) for name in ("demur-demo", "demur-demo/log", "demur-demo/log"))
NOW = datetime.now(UTC).replace(microsecond=0)


def forged_receipt() -> bytes:
    payload, salt = Statement(LogKind.OPT_OUT_FILED, NOW, "DM-FAKE-0001", ("ada-1",)).payload(), bytes(32)
    checkpoint = LogCheckpoint(TRAINER.name, 1, merkle.root([merkle.leaf_hash(commitment(salt, payload))])).sign(TRAINER)
    return Receipt(TRAINER.sign(payload, PAYLOAD_TYPE), salt, 0, (), str(checkpoint)).to_json()


FORGED = {"head": sign_head(build_version_for_today(uids("a")).head, TRAINER), "receipt": forged_receipt()}


@pytest.mark.parametrize("name", FORGED)
def test_what_a_trainer_forges_holds_for_nobody(name: str, tmp_path: Path):
    trust = Trust((LIST.verifier,), (LOG.verifier,), (TRAINER.verifier,))
    (finding,) = verify_documents([Document(name, FORGED[name])], trust, NOW)
    assert finding.answer is Answer.UNCHECKED
    assert "which you trust for run records, not for" in finding.reason
    file = tmp_path / name
    file.write_bytes(FORGED[name])
    options = ["--list-key", LIST.verifier, "--log-key", LOG.verifier, "--run-key", TRAINER.verifier]
    result = CliRunner().invoke(main, ["verify", str(file), *map(str, options)])
    assert result.exit_code == 1
    assert "HOLDS" not in result.stdout


class Colliding(VerifyKey):
    """Another key with the id of the operator's: 2**32 tries make one."""

    @property
    def key_id(self) -> str:
        return LIST.verifier.key_id


@pytest.mark.parametrize("first", [True, False])
def test_a_key_with_the_operators_key_id_shadows_nothing(first: bool):
    collision = Colliding("demur-demo", SigningKey.generate("another").verifier.public)
    keys = [collision, LIST.verifier] if first else [LIST.verifier, collision]
    assert open_envelope(LIST.sign(b"{}", "x"), "x", keys).signer == LIST.verifier
    with pytest.raises(BadSignature):
        open_envelope(LIST.sign(b"{}", "x"), "x", [collision])
