"""Copies of manifests without the rows that an exclusion list excludes, and the positions of those rows."""

from demur.filtering.filter import filter_manifest
from demur.filtering.positions import excluded_positions
from demur.filtering.report import FilterReport, UnreadableManifest, UnreadableRows

__all__ = ["FilterReport", "UnreadableManifest", "UnreadableRows", "excluded_positions", "filter_manifest"]
