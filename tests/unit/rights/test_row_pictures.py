"""Manifest pictures are strangers' files: what is known of a row does not depend on its decoder's good behaviour."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from demur.manifests import Catalogue, import_manifest
from demur.similarity.edits import variants
from demur.similarity.fingerprint import decode, fingerprint
from demur.similarity.sandbox import Picture, Sandbox, SandboxCannotStart
from rights.hashes import Hashes
from rights.optouts import Everything, Photos
from rights.row_pictures import hashes_of_rows, read_rows
from tests.support.pictures import jpeg, textured_picture
from tests.unit.rights.office import Office

PHOTOS = [jpeg(textured_picture(seed=seed)) for seed in range(4)]
FILES = [PHOTOS[0], b"crash", PHOTOS[1], b"hoard", b"nonsense", PHOTOS[2], PHOTOS[3]]


@pytest.fixture
def mixed(tmp_path: Path) -> Catalogue:
    """A manifest that came with its hashes, so that no picture was decoded so far."""
    (tmp_path / "source").mkdir()
    rows = []
    for number, data in enumerate(FILES):
        (tmp_path / "source" / f"{number}.jpg").write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        row = {"uid": str(number), "owner": "ada", "path": f"{number}.jpg", "caption": "", "width": 9, "height": 9}
        rows.append(row | {"sha256": digest, "phash": f"{number:016x}", "pdq": f"{number:064x}", "pdq_quality": 90})
    (tmp_path / "source" / "photos.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    import_manifest(tmp_path / "source" / "photos.jsonl", tmp_path / "catalogue", name="mixed", workers=0)
    return Catalogue.open(tmp_path / "catalogue")


def hashes_of(catalogue: Catalogue, positions: Sequence[int], sandbox: Sandbox, known: dict[str, Hashes]) -> list[Hashes | None]:
    places = [(catalogue, position) for position in positions]
    return hashes_of_rows(places, read_rows(places), sandbox, known)


def test_rows_keep_their_order_and_those_whose_decoder_fails_their_own_hashes(mixed: Catalogue) -> None:
    with Sandbox(work="tests.support.hostile:worked_on", processes=2) as sandbox:
        hashes = hashes_of(mixed, range(len(FILES)), sandbox, {})
    assert [each.sha256 for each in hashes] == [hashlib.sha256(data).hexdigest() for data in FILES]
    for number, (data, each) in enumerate(zip(FILES, hashes, strict=True)):
        if data in PHOTOS:
            assert each.variants == variants(decode(data)[0])
        else:
            assert (each.variants, each.phash) == ((), f"{number:016x}")


def test_a_picture_whose_variants_are_known_is_not_decoded(mixed: Catalogue) -> None:
    digest = fingerprint(PHOTOS[0]).sha256
    known = {digest: Hashes(digest, phash="known")}
    with Sandbox(work="tests.support.hostile:no_such_function") as none_starts:
        assert hashes_of(mixed, [0], none_starts, known) == [known[digest]]
        with pytest.raises(SandboxCannotStart):
            hashes_of(mixed, [0], none_starts, {})


class Watching(Sandbox):
    """Notes how many connections to the database are held while it reads."""

    def __init__(self, office: Office) -> None:
        super().__init__(wait=60)
        self.pool = office.sessions.kw["bind"].pool
        self.held: list[int] = []

    def read(self, data: bytes, timeout: float | None = None) -> Picture:
        self.held.append(self.pool.checkedout())
        return super().read(data, timeout)


@pytest.mark.parametrize("selection", [Photos(("ada-0", "ada-1")), Everything()])
def test_no_connection_to_the_database_is_held_meanwhile(office: Office, selection: Photos | Everything) -> None:
    office.file(office.account("ada"), selection)
    with Watching(office) as office.sandbox:
        office.propagate()
        assert set(office.sandbox.held) == {0}


def test_what_a_photo_was_found_to_be_is_not_decoded_again(office: Office) -> None:
    office.file(office.account("ada"), Photos(("ada-0",)))
    with Watching(office) as office.sandbox:
        office.propagate()
        assert len(office.sandbox.held) == 1
        office.gather([1])
        assert len(office.sandbox.held) == 1
