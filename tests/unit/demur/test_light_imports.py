"""`demur --help` answers at once: heavy packages are imported by the commands that need them, and adapters by nobody but their users."""

import subprocess
import sys

import pytest

HEAVY = {"numpy", "numba", "pyarrow", "scipy", "PIL", "torch", "datasets", "duckdb", "pyspark", "streaming", "webdataset"}
EVERYTHING = """
import importlib, pkgutil
for found in pkgutil.walk_packages(demur.__path__, "demur."):
    if not found.name.startswith(("demur.adapters", "demur.__main__")):
        importlib.import_module(found.name)
"""


@pytest.mark.parametrize(
    ("imports", "allowed"),
    [("import demur", set()), ("import demur.cli", set()), ("import demur" + EVERYTHING, {"numpy", "numba", "pyarrow", "scipy", "PIL"})],
)
def test_what_an_import_brings(imports: str, allowed: set[str]) -> None:
    told = f"{imports}\nimport sys\nprint(*sorted({HEAVY!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= allowed
