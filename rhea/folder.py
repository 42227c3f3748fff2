"""What a run's folder holds from its first second on, before torch is loaded."""

from __future__ import annotations

import json
from pathlib import Path

from demur.errors import DemurError
from demur.exclusions import ExclusionList
from demur.files import atomic_write

RECORD_FILE = "run-record.dsse.json"
LIST_FILE = "list-read.json"


class RunExists(DemurError):
    """The output directory holds a finished run, and runs are immutable."""


def open_folder(out: Path, exclusions: ExclusionList | None) -> None:
    """Make the folder, and say there which list the run obeys: a portal tells at once what is left out. Raises RunExists."""
    if (out / RECORD_FILE).exists():
        raise RunExists(f"{out} holds a finished run; choose another directory.")
    out.mkdir(parents=True, exist_ok=True)
    head = exclusions.head if exclusions else None
    used = {"version": head.version, "root": head.root} if head else {"version": None, "root": None}
    atomic_write(out / LIST_FILE, json.dumps(used).encode())
