"""Addresses of style sheets and scripts that change with their content, so that browsers may keep them for good."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from flask import Flask, url_for


def versioned(app: Flask) -> Callable[[str], str]:
    """A function from a file name below static/ to its address."""
    digests: dict[str, str] = {}

    def address(name: str) -> str:
        if name not in digests or app.debug:
            digests[name] = hashlib.sha256(Path(str(app.static_folder), name).read_bytes()).hexdigest()[:12]
        return url_for("static", filename=name, v=digests[name])

    return address
