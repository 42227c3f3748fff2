"""The sampler in real loaders."""

import itertools
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from pyroaring import BitMap
from torch.utils.data import DataLoader, Dataset

from demur.adapters.judging import KindsNotApplied
from demur.adapters.torch_sampler import KeptSampler, PositionOutside
from demur.exclusions import ExclusionList, KeyKind
from demur.exclusions.columns import NoKeyColumn
from demur.vectors import DeletionVectors
from demur.vectors.rules import OtherRows
from tests.support.deletion_vectors import ROWS, SHARD_ROWS, Publisher, import_troublesome, keys_of, source_rows
from tests.support.exclusion_lists import NOW
from tests.support.training_sets import KEY, exclusion_list, photos, table


class Photos(Dataset[str]):
    """A map-style data set of the photos' uids."""

    def __len__(self) -> int:
        return len(photos())

    def __getitem__(self, index: int) -> str:
        return photos()[index].uid


@pytest.fixture
def exclusions(tmp_path: Path) -> ExclusionList:
    return exclusion_list(tmp_path / "list")


@pytest.mark.filterwarnings("error::demur.adapters.judging.KindsNotApplied")
@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_reads_only_what_is_kept(exclusions: ExclusionList, tmp_path: Path, workers: int) -> None:
    pq.write_table(table(), tmp_path / "photos.parquet", row_group_size=3)
    sampler = KeptSampler.by_manifest(tmp_path / "photos.parquet", exclusions, shuffle=False)
    loader = DataLoader(Photos(), batch_size=2, sampler=sampler, num_workers=workers)
    assert [list(batch) for batch in loader] == [["photo-0", "photo-6"], ["photo-7"]]


@pytest.mark.filterwarnings("error::demur.adapters.judging.KindsNotApplied")
def test_a_table_may_come_in_batches(exclusions: ExclusionList) -> None:
    assert list(KeptSampler.by_columns(table().to_batches(max_chunksize=3), exclusions, shuffle=False)) == [0, 6, 7]


def test_what_a_manifest_does_not_tell_is_told(exclusions: ExclusionList, tmp_path: Path) -> None:
    pq.write_table(table().select(["id"]), tmp_path / "photos.parquet")
    with pytest.warns(KindsNotApplied) as told:
        assert len(KeptSampler.by_manifest(tmp_path / "photos.parquet", exclusions)) == 7
    assert len(told) == 4


def test_uids_suffice_and_what_they_do_not_tell_is_told(exclusions: ExclusionList) -> None:
    with pytest.warns(KindsNotApplied) as told:
        sampler = KeptSampler.by_uids((each.uid for each in photos()), exclusions, shuffle=False)
    assert list(sampler) == [0, 2, 3, 4, 5, 6, 7]
    assert len(told) == 4


def test_more_uids_than_are_judged_at_once(tmp_path: Path) -> None:
    exclusions = exclusion_list(tmp_path / "list", [KeyKind.UID])
    uids = [f"photo-{number}" for number in range(70_000)]
    kept = list(KeptSampler.by_uids([*uids, *uids], exclusions, shuffle=False))
    assert set(range(140_000)) - set(kept) == {1, 70_001}


def test_deletion_vectors_say_what_is_kept_without_a_key(tmp_path: Path) -> None:
    publisher = Publisher(*import_troublesome(tmp_path / "manifest"), tmp_path, KEY)
    publisher.publish(keys_of(source_rows())[::9])
    publisher.derive()
    vectors = DeletionVectors.open(publisher.vectors_dir, key=KEY.verifier, manifest=publisher.catalogue.name, now=NOW)
    lengths = {f"{number:05d}.parquet": min(SHARD_ROWS, ROWS - start) for number, start in enumerate(range(0, ROWS, SHARD_ROWS))}
    kept = list(KeptSampler.by_vectors(vectors, lengths, shuffle=False))
    starts = dict(zip(lengths, itertools.accumulate(lengths.values(), initial=0), strict=False))
    registered = pa.Table.from_batches(list(publisher.catalogue.batches()))
    rows = {starts[shard] + row for shard, row in zip(registered["shard"].to_pylist(), registered["row"].to_pylist(), strict=True)}
    excluded = {starts[shard] + row for shard, places in publisher.judged(keys_of(source_rows())[::9]).items() for row in places}
    assert excluded
    assert kept == sorted(rows - excluded)
    with pytest.raises(OtherRows):
        KeptSampler.by_vectors(vectors, {"00000.parquet": 3})


def test_positions_are_left_out() -> None:
    for positions in (BitMap([0, 3]), np.array([3, 0, 3]), [0, 3]):
        assert list(KeptSampler.without(positions, 5, shuffle=False)) == [1, 2, 4]
    assert list(KeptSampler.without([], 2, shuffle=False)) == [0, 1]


@pytest.mark.parametrize("position", [5, -1])
def test_positions_of_another_data_set_are_refused(position: int) -> None:
    with pytest.raises(PositionOutside, match=str(position)):
        KeptSampler.without([1, position], 5)


def epochs(sampler: KeptSampler, number: int) -> list[list[int]]:
    orders = []
    for epoch in range(number):
        sampler.set_epoch(epoch)
        orders.append(list(sampler))
    return orders


def test_each_epoch_has_its_order_and_the_same_seed_the_same_orders() -> None:
    kept = torch.arange(100, 300)
    orders = epochs(KeptSampler(kept), 3)
    assert all(sorted(order) == list(range(100, 300)) for order in orders)
    assert all(first != second for first, second in itertools.combinations([list(range(100, 300)), *orders], 2))
    assert epochs(KeptSampler(kept), 3) == orders
    assert epochs(KeptSampler(kept, seed=10), 3) != orders


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("shuffle", [True, False])
def test_processes_share_an_epoch_without_overlap(world: int, shuffle: bool) -> None:
    samplers = [KeptSampler(torch.arange(200_001), rank=rank, world=world, shuffle=shuffle) for rank in range(world)]
    shares = [list(sampler) for sampler in samplers]
    assert {len(share) for share in shares} == {len(samplers[0])} == {200_001 // world}
    assert len(set(itertools.chain(*shares))) == world * (200_001 // world)


def test_without_a_key_column_nothing_is_kept(exclusions: ExclusionList) -> None:
    with pytest.raises(NoKeyColumn):
        KeptSampler.by_columns([pa.record_batch({"caption": ["a"]})], exclusions)


def test_a_data_set_without_rows_has_no_samples(exclusions: ExclusionList) -> None:
    assert list(KeptSampler.by_uids([], exclusions)) == []
