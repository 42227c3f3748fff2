"""Copies of manifests without the rows that an exclusion list excludes."""

from demur.filtering.filter import filter_manifest
from demur.filtering.report import FilterReport, UnreadableManifest

__all__ = ["FilterReport", "UnreadableManifest", "filter_manifest"]
