"""A portal in this process, to which a stranger sends files to be checked; prints the answer and the processor seconds that it took."""

import io
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient

from config import Config
from models.migrating import migrate
from portal import create_app
from rights.signing_keys import make_keys
from tests.hostile.measuring import Measured, run_measured


def send_to_verify(files: str, fields: str) -> str:
    """Sends every file of a directory, with the form's other fields, a file of JSON. Returns {status, seconds, text} as JSON."""
    with tempfile.TemporaryDirectory() as scratch:
        config = Config(data_dir=Path(scratch), database_url=f"sqlite:///{scratch}/portal.sqlite3", oidc_issuer="http://127.0.0.1:1")
        migrate(config.database)
        make_keys(config.keys_dir, config.list_name)
        return _sent(create_app(config).test_client(), Path(files), json.loads(Path(fields).read_text()), config.base_url)


def _sent(client: FlaskClient, files: Path, fields: dict[str, str], base_url: str) -> str:
    data = {**fields, "file": [(io.BytesIO(path.read_bytes()), path.name) for path in sorted(files.iterdir())]}
    spent = time.process_time()
    answer = client.post("/verify", data=data, content_type="multipart/form-data", base_url=base_url)
    return json.dumps({"status": answer.status_code, "seconds": time.process_time() - spent, "text": answer.text})


def answer_to(tmp_path: Path, fields: dict[str, str]) -> tuple[Measured, dict[str, Any]]:
    """What a portal in a process of its own answers to the files in ``tmp_path/files``."""
    (tmp_path / "fields.json").write_text(json.dumps(fields))
    measured = run_measured(send_to_verify, str(tmp_path / "files"), str(tmp_path / "fields.json"))
    assert measured.code == 0, measured.output
    return measured, json.loads(measured.output.splitlines()[-1])
