"""Deletion vectors: for each shard of a manifest, the row numbers that the newest exclusion list excludes, so that a training loader skips
rows without looking at a key of theirs."""

from demur.vectors.reader import DeletionVectors

__all__ = ["DeletionVectors"]
