"""DataComp's subset file, read as its resharder reads it.

`resharder.py` is a script of DataComp's repository, in no package registry. What it does with the file is done here in its own terms
(mlfoundations/datacomp, resharder.py: load_subset, process_example): np.load, the dtype, and two binary searches for each sample.
"""

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from demur.adapters.datacomp_subset import BadUid, write_subset
from demur.adapters.judging import KindsNotApplied
from demur.exclusions import Entry, ExclusionList, KeyKind
from demur.exclusions.columns import NoKeyColumn
from demur.filtering import UnreadableManifest
from demur.manifests.errors import EmptySource
from tests.support.exclusion_lists import build_version_for_today, publish_version
from tests.support.training_sets import KEY

u16 = np.dtype("u8,u8")


def copies(subset_file: Path, uid: str) -> int:
    """How often the resharder writes the sample of this uid."""
    subset = np.load(subset_file, mmap_mode="r")
    assert subset.dtype == u16
    key = np.array([divmod(int(uid, 16), 2**64)], u16)[0]
    return int(np.searchsorted(subset, key, "right") - np.searchsorted(subset, key, "left"))


def opened(directory: Path, *entries: Entry) -> ExclusionList:
    publish_version(directory, KEY, build_version_for_today(entries))
    return ExclusionList.open(directory, key=KEY.verifier)


def uids(number: int, seed: int = 1) -> list[str]:
    choose = random.Random(seed)
    return [f"{choose.getrandbits(128):032x}" for _ in range(number)]


def test_the_resharder_copies_what_is_kept_once_and_nothing_else(tmp_path: Path) -> None:
    known, rows = uids(3000), tmp_path / "metadata"
    rows.mkdir()
    urls = [f"https://x/{number}" for number in range(3000)]
    for part in range(3):
        these = slice(1000 * part, 1000 * (part + 1))
        pq.write_table(pa.table({"uid": known[these], "url": urls[these], "text": [""] * 1000}), rows / f"{part}.parquet")
    exclusions = opened(tmp_path, *(Entry(KeyKind.UID, uid) for uid in known[::7]), *(Entry(KeyKind.URL, url) for url in urls[::10]))
    report = write_subset(rows, tmp_path / "subset.npy", exclusions)
    excluded = {*known[::7], *known[::10]}
    assert {uid: copies(tmp_path / "subset.npy", uid) for uid in known} == {uid: int(uid not in excluded) for uid in known}
    assert report.kept == len(np.load(tmp_path / "subset.npy")) == 3000 - len(excluded)
    assert not any(copies(tmp_path / "subset.npy", uid) for uid in uids(100, seed=2))


def test_the_file_is_sorted_as_the_numbers_are(tmp_path: Path) -> None:
    edges = ["0" * 32, "f" * 32, "0" * 16 + "f" * 16, "0" * 15 + "1" + "0" * 16, "8" + "0" * 31, *uids(500)]
    pq.write_table(pa.table({"uid": edges}), tmp_path / "metadata.parquet")
    write_subset(tmp_path / "metadata.parquet", tmp_path / "subset.npy", opened(tmp_path, Entry(KeyKind.UID, "nobody's")))
    subset = np.load(tmp_path / "subset.npy")
    numbers = [int(high) << 64 | int(low) for high, low in subset.tolist()]
    assert numbers == sorted(int(uid, 16) for uid in edges)
    assert np.array_equal(subset, np.sort(np.array([divmod(int(uid, 16), 2**64) for uid in edges], u16)))


def test_a_uid_goes_when_any_of_its_rows_does(tmp_path: Path) -> None:
    one, other = uids(2)
    pq.write_table(pa.table({"uid": [one, one, other, other], "url": ["a", "b", "c", "c"]}), tmp_path / "metadata.parquet")
    write_subset(tmp_path / "metadata.parquet", tmp_path / "subset.npy", opened(tmp_path, Entry(KeyKind.URL, "b")))
    assert (copies(tmp_path / "subset.npy", one), copies(tmp_path / "subset.npy", other)) == (0, 1)


def test_a_uid_without_its_leading_zeros_is_the_same_number(tmp_path: Path) -> None:
    pq.write_table(pa.table({"uid": ["ff", "0" * 29 + "fff"]}), tmp_path / "metadata.parquet")
    write_subset(tmp_path / "metadata.parquet", tmp_path / "subset.npy", opened(tmp_path, Entry(KeyKind.UID, "ff")))
    assert np.load(tmp_path / "subset.npy").tolist() == [(0, 0xFFF)]


def test_what_is_excluded_wholly_gives_an_empty_file(tmp_path: Path) -> None:
    (one,) = uids(1)
    pq.write_table(pa.table({"uid": [one]}), tmp_path / "metadata.parquet")
    write_subset(tmp_path / "metadata.parquet", tmp_path / "subset.npy", opened(tmp_path, Entry(KeyKind.UID, one)))
    assert copies(tmp_path / "subset.npy", one) == 0


def test_kinds_without_a_column_are_told(tmp_path: Path) -> None:
    pq.write_table(pa.table({"uid": uids(1)}), tmp_path / "metadata.parquet")
    both = opened(tmp_path, Entry(KeyKind.OWNER, "bob"), Entry(KeyKind.UID, "nobody's"))
    with pytest.warns(KindsNotApplied, match="1 owner entries"):
        write_subset(tmp_path / "metadata.parquet", tmp_path / "subset.npy", both)


def test_a_list_with_which_nothing_can_be_compared_stops_the_filter(tmp_path: Path) -> None:
    pq.write_table(pa.table({"uid": uids(1)}), tmp_path / "metadata.parquet")
    with pytest.raises(NoKeyColumn, match="excludes by owner"):
        write_subset(tmp_path / "metadata.parquet", tmp_path / "subset.npy", opened(tmp_path, Entry(KeyKind.OWNER, "bob")))


@pytest.mark.parametrize("uid", ["x" * 32, "0" * 33, "ab" * 15 + " 1", "é" * 32, None, "-" + "1" * 31])
def test_uids_of_other_kinds_are_refused(tmp_path: Path, uid: str | None) -> None:
    pq.write_table(pa.table({"uid": [*uids(2), uid]}), tmp_path / "metadata.parquet")
    with pytest.raises(BadUid):
        write_subset(tmp_path / "metadata.parquet", tmp_path / "subset.npy", opened(tmp_path, Entry(KeyKind.UID, "nobody's")))
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["head.dsse.json", "metadata.parquet"]


def test_metadata_that_is_none_is_refused(tmp_path: Path) -> None:
    exclusions = opened(tmp_path, Entry(KeyKind.UID, "nobody's"))
    pq.write_table(pa.table({"url": ["a"]}), tmp_path / "no-uid.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"no Parquet")
    for name, error in (("no-uid.parquet", NoKeyColumn), ("broken.parquet", UnreadableManifest), ("versions", EmptySource)):
        with pytest.raises(error):
            write_subset(tmp_path / name, tmp_path / "subset.npy", exclusions)
