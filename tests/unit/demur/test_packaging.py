"""What `pip install ./demur` installs is the whole library."""

import tomllib
from pathlib import Path


def test_every_package_is_installed() -> None:
    library = Path("demur")
    listed = tomllib.loads((library / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    assert listed == sorted(".".join(found.parent.parts) for found in library.rglob("__init__.py"))
