"""Takes the rows of a manifest that can be used, in the catalogue's types, and counts the others by reason."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from demur.exclusions.columns import KEY_COLUMNS
from demur.manifests.columns import Mask, convert
from demur.manifests.digest_table import text_digests
from demur.manifests.pictures import find_file, is_inside
from demur.manifests.rejections import EXAMPLES, Reason, Rejections
from demur.manifests.schema import ALIASES, SCHEMA
from demur.manifests.sources.folder import caption_beside


class Acceptance:
    """One batch on its way through the rules. A row is counted under the first reason it meets."""

    def __init__(self, batch: pa.RecordBatch, rejected: Rejections) -> None:
        self._batch, self._rejected = batch, rejected
        self._columns: dict[str, pa.Array] = {}
        self._refused = np.zeros(batch.num_rows, dtype=np.bool_)
        self._hidden: pa.BooleanArray | None = None

    @classmethod
    def accept(cls, batch: pa.RecordBatch, root: Path, rejected: Rejections) -> pa.RecordBatch:
        """The usable rows of a batch from a `Source`, with all columns of `SCHEMA`."""
        rows = cls(batch, rejected)
        rows._convert()
        rows._apply_status_and_visibility()
        rows._place_pictures(root)
        rows._name()
        return rows._accepted()

    def _refuse(self, reason: Reason, mask: Mask, describe: Callable[[int], str]) -> None:
        fresh = mask & ~self._refused
        count = int(fresh.sum())
        if count:
            places = np.flatnonzero(fresh)[:EXAMPLES].tolist()
            self._rejected.add(reason, (f"{self._where(place)}: {describe(place)}" for place in places), count)
            self._refused |= fresh

    def _where(self, place: int) -> str:
        return f"{self._batch['shard'][place]}, row {self._batch['row'][place].as_py() + 1}"

    def _given(self, name: str, place: int) -> str:
        try:
            value = self._batch[name][place].as_py()
            return f"{name} is {value.decode() if isinstance(value, bytes) else value!r:.80}"
        except UnicodeDecodeError:
            return f"{name} is not UTF-8 text"

    def _convert(self) -> None:
        for name in self._batch.schema.names:
            if name in ALIASES:
                self._columns[name], bad = convert(name, self._batch[name])
                if bad is not None:
                    self._refuse(Reason.WRONG_TYPE, bad, partial(self._given, name))

    def _apply_status_and_visibility(self) -> None:
        if "status" in self._columns:  # img2dataset's: success, failed_to_download, failed_to_resize
            failed = pc.starts_with(self._columns["status"], "failed").fill_null(False)
            self._refuse(Reason.DOWNLOAD_FAILED, _mask(failed), partial(self._given, "status"))
        if "visibility" in self._columns:
            hidden = pc.not_equal(self._columns["visibility"], "public").fill_null(True)
            self._refuse(Reason.NOT_PUBLIC, _mask(hidden), partial(self._given, "visibility"))
            self._hidden = hidden

    def _place_pictures(self, root: Path) -> None:
        """Where rows name a picture file, it becomes their shard, and the caption beside it stands in for a missing one."""
        if "path" not in self._columns:
            return
        named = self._columns["path"].to_pylist()
        paths = [None if path is None else find_file(root, path) for path in named]
        found = np.array([path is not None for path in paths], dtype=np.bool_)
        outside = [path is None and name is not None and not is_inside(root, name) for name, path in zip(named, paths, strict=True)]
        self._refuse(
            Reason.PATH_OUTSIDE,
            np.array(outside, dtype=np.bool_),
            lambda place: f"{named[place]!r:.160} leads out of the manifest's folder",
        )
        self._refuse(Reason.MISSING_PICTURE, ~found, lambda place: f"no picture {named[place]!r:.160}")
        shards = pa.array([path or "" for path in paths], pa.string())
        self._batch = self._batch.set_column(self._batch.schema.get_field_index("shard"), "shard", shards)
        captions = self._columns.get("caption", pa.nulls(len(paths), pa.string())).to_pylist()
        beside = [
            caption_beside(root, path) if caption is None and path is not None and not refused else caption
            for path, caption, refused in zip(paths, captions, self._refused, strict=True)
        ]
        self._columns["caption"] = pa.array(beside, pa.string())

    def _name(self) -> None:
        """Every row gets a uid, its picture's path where the manifest has no other, and an owner, "" where it names none."""
        uids = self._columns.setdefault("uid", self._named_by_path())
        unnamed = pc.equal(pc.binary_length(uids), 0).fill_null(True)
        if pc.any(unnamed).as_py():
            self._refuse(Reason.NO_UID, _mask(unnamed), lambda place: "it has no uid")
        if self._hidden is not None:
            self._rejected.hidden.append(text_digests(uids.filter(self._hidden).drop_null()))
        owners = self._columns.get("owner")
        self._columns["owner"] = owners.fill_null("") if owners is not None else pa.repeat(pa.scalar(""), self._batch.num_rows)

    def _named_by_path(self) -> pa.StringArray:
        """As the filter reads such a column."""
        paths = self._columns.get("path", pa.nulls(self._batch.num_rows, pa.string()))
        return KEY_COLUMNS["uid"].read(paths).values.cast(pa.string())

    def _accepted(self) -> pa.RecordBatch:
        columns = {**self._columns, "shard": self._batch["shard"], "row": self._batch["row"]}
        whole = [columns[field.name] if field.name in columns else pa.nulls(self._batch.num_rows, field.type) for field in SCHEMA]
        batch = pa.RecordBatch.from_arrays(whole, schema=SCHEMA)
        return batch.filter(pa.array(~self._refused)) if self._refused.any() else batch


def _mask(flags: pa.BooleanArray) -> Mask:
    mask: Mask = flags.to_numpy(zero_copy_only=False)
    return mask
