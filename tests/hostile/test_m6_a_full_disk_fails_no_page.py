"""A log line that cannot be written is lost; the page that it was about is answered."""

import subprocess
import sys
from pathlib import Path

from models.migrating import migrate
from tests.hostile.measuring import REPOSITORY

VISIT = """
import sys
from pathlib import Path
from config import Config
from portal import create_app
client = create_app(Config(data_dir=Path(sys.argv[1]))).test_client()
print([client.get(path, base_url="http://127.0.0.1:8000").status_code for path in ("/", "/lookup", "/no-such-page", "/lookup")], flush=True)
"""


def test_pages_are_answered_where_no_log_line_can_be_written(tmp_path: Path):
    migrate(f"sqlite:///{tmp_path / 'demur.sqlite3'}")
    with open("/dev/full", "w") as full:  # every write to it fails as on a full disk
        visit = subprocess.run(
            [sys.executable, "-c", VISIT, str(tmp_path)], cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=full, timeout=120, check=False
        )
    assert visit.stdout.decode().strip() == "[200, 200, 404, 200]"
