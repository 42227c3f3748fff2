"""Security finding L7: how long an answer took told a member whether a uid exists elsewhere, since its row was read, and then compared."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from demur.manifests import Catalogue, import_manifest


def test_no_row_of_somebody_else_is_read_for_a_uid(tmp_path: Path):
    """What is read is seen by damage: no group of rows of this catalogue can be read at all."""
    owners = ["ada", "ada", "ben", "ben"]
    pq.write_table(pa.table({"uid": ["ada-0", "ada-1", "ben-0", "ben-1"], "owner": owners}), tmp_path / "m.parquet")
    import_manifest(tmp_path / "m.parquet", tmp_path / "catalogue", name="shared", workers=0)
    own = Catalogue.open(tmp_path / "catalogue").owner_rows("ada")
    rows = tmp_path / "catalogue" / "rows.parquet"
    data = bytearray(rows.read_bytes())
    footer = int.from_bytes(data[-8:-4], "little") + 8
    data[4:-footer] = bytes(len(data) - 4 - footer)
    rows.write_bytes(data)
    catalogue = Catalogue.open(tmp_path / "catalogue")
    assert catalogue.find_uids(["ben-0", "ben-1", "nobody"], within=[own]).tolist() == [-1, -1, -1]
    with pytest.raises((OSError, pa.ArrowException)):
        catalogue.find_uids(["ada-0"], within=[own])
