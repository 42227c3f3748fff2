"""The grid's filter in addresses and forms."""

from collections.abc import Mapping
from urllib.parse import urlencode

from flask import url_for

from rights.photo import PhotoFilter, PhotoStatus

STATUSES = {
    PhotoStatus.ANY: "All photos",
    PhotoStatus.NOT_OPTED_OUT: "Not opted out",
    PhotoStatus.OPTED_OUT: "Opted out",
    PhotoStatus.FILED: "Opted out, not in the list yet",
    PhotoStatus.LISTED: "In the exclusion list",
    PhotoStatus.IN_RUN: "A training run used it",
    PhotoStatus.ABSENT: "A training run left it out",
}


def read_filter(values: Mapping[str, str]) -> PhotoFilter:
    """The filter that query arguments or form fields name. What cannot be read is left out: a filter never fails."""
    year = values.get("year", "")
    status = values.get("status", "")
    return PhotoFilter(
        manifest=values.get("manifest") or None,
        run=values.get("run") or None,
        status=PhotoStatus(status) if status in set(PhotoStatus) else PhotoStatus.ANY,
        year=int(year) if year.isascii() and year.isdigit() and len(year) == 4 else None,
        text=values.get("text", "").strip()[:100],
    )


def write_filter(wanted: PhotoFilter) -> dict[str, str]:
    """The same as arguments, without what is not set."""
    fields = {
        "manifest": wanted.manifest,
        "run": wanted.run,
        "status": None if wanted.status is PhotoStatus.ANY else wanted.status.value,
        "year": wanted.year and str(wanted.year),
        "text": wanted.text,
    }
    return {name: value for name, value in fields.items() if value}


def address(endpoint: str, wanted: PhotoFilter, **more: str) -> str:
    """The address of a page with this filter."""
    query = urlencode(write_filter(wanted) | more)
    return url_for(endpoint) + (f"?{query}" if query else "")
