"""Deletion vectors as the portal makes, keeps and serves them: after publications, for new manifests, and after a crash."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from werkzeug.test import TestResponse

from demur.exclusions.reader import ExclusionList
from demur.signing import SigningKey
from demur.vectors import DeletionVectors
from demur.vectors.reader import manifest_directory
from demur.vectors.rules import OtherManifest
from models import Account, Outbox
from rights import tokens
from rights.accounts import sign_in
from rights.imports import import_and_register
from rights.list_keys import LIST_KEY_FILE
from rights.optouts import Photos, file_opt_outs
from rights.tokens import Scope
from rights.withdrawals import withdraw_photo
from tests.support.portals import ADA, BEN, MANIFEST, TestedPortal, now, serving
from tests.support.workshop import ROOT

VECTORS = "/api/v1/deletion-vectors"


def account(portal: TestedPortal, owner: str) -> Account:
    with portal.workplace.writing.begin() as session:
        return sign_in(session, iss="https://id.example", sub=owner, owner=owner, display_name=owner, now=now())


def file(portal: TestedPortal, owner: str, uid: str) -> None:
    member = account(portal, owner)
    with portal.workplace.writing.begin() as session:
        file_opt_outs(session, portal.workplace.catalogues, member, Photos((uid,)), now=now())


def opt_out(portal: TestedPortal, owner: str, uid: str) -> None:
    file(portal, owner, uid)
    portal.settle()


def opened(portal: TestedPortal, manifest: str = MANIFEST) -> DeletionVectors:
    return DeletionVectors.open(portal.config.vectors_dir, key=key(portal).verifier, manifest=manifest)


def key(portal: TestedPortal) -> SigningKey:
    return SigningKey.load(portal.config.keys_dir / LIST_KEY_FILE)


def excluded(portal: TestedPortal) -> set[str]:
    """By the plain definition: the pictures of the rows that the published list excludes."""
    catalogue = portal.workplace.catalogues
    published = ExclusionList.open(portal.config.list_dir, key=key(portal).verifier)
    with portal.workplace.reading() as session:
        ((_, rows),) = catalogue.registered(session)
    table = rows.take(range(rows.rows))
    return set(table.filter(published.judge(table).kinds >= 0)["shard"].to_pylist())


def deleted(vectors: DeletionVectors) -> set[str]:
    return {shard for shard in vectors.shards if vectors.of(shard)}


def test_after_each_publication_the_vectors_say_what_the_list_says(portal: TestedPortal):
    for member, uid in ((ADA, "ada-1"), (BEN, "ben-exact"), (ADA, "ada-2")):
        opt_out(portal, member, uid)
        assert deleted(opened(portal)) == excluded(portal)
    assert opened(portal).head.list.version == 3
    member = account(portal, ADA)
    with portal.workplace.writing.begin() as session:
        withdraw_photo(session, member, "ada-1", now())
    portal.settle()
    assert opened(portal).head.list.version == 4
    assert deleted(opened(portal)) == excluded(portal)
    assert "ada/ada-1.jpg" not in deleted(opened(portal))


def test_a_new_manifest_gets_its_vectors_when_it_is_registered(portal: TestedPortal, photos_dir: Path):
    opt_out(portal, ADA, "ada-1")
    with pytest.raises(FileNotFoundError):
        (portal.config.vectors_dir / manifest_directory("again")).stat()
    import_and_register(portal.workplace.writing, portal.workplace.catalogues, photos_dir, "again", clock=now, workers=0)
    portal.settle()
    assert deleted(opened(portal, "again")) == {"ada/ada-1.jpg"}


class Client:
    """With a token; every answer is read whole and its file closed."""

    def __init__(self, portal: TestedPortal, name: str = "loader", scope: Scope = Scope.LIST_READ) -> None:
        self.client = portal.app.test_client()
        with portal.workplace.writing.begin() as session:
            self.token = tokens.create(session, name, [scope], now())

    def get(self, path: str, **headers: str) -> TestResponse:
        sent = {"Authorization": f"Bearer {self.token}"} | {name.replace("_", "-"): value for name, value in headers.items()}
        with self.client.get(f"{VECTORS}/{path}", buffered=True, headers=sent) as answer:
            return answer


def test_a_loader_reads_them_over_http(portal: TestedPortal):
    opt_out(portal, ADA, "ada-1")
    port = int(portal.config.base_url.rpartition(":")[2])
    with serving(portal.app, port):
        url, token = f"{portal.config.base_url}{VECTORS}/", Client(portal).token
        vectors = DeletionVectors.open(url, key=key(portal).verifier, manifest=MANIFEST, token=token)
        assert deleted(vectors) == excluded(portal)
        assert not vectors.update()
        opt_out(portal, ADA, "ada-2")
        assert vectors.update()
        assert deleted(vectors) == excluded(portal)
        assert vectors.keep("ada/ada-2.jpg", 0, 1).tolist() == [False]
        assert vectors.keep("ada/ada-3.jpg", 0, 1).tolist() == [True]


def test_files_are_cached_for_good_and_come_in_ranges(portal: TestedPortal):
    opt_out(portal, ADA, "ada-1")
    client, base = Client(portal), manifest_directory(MANIFEST)
    told = client.get("").json["manifests"]
    assert told == [{"manifest": MANIFEST, "path": base, "rows": 23, "version": 1, "deleted": len(excluded(portal))}]
    head = client.get(f"{base}/head.dsse.json")
    assert head.headers["Cache-Control"] == "private, no-cache"
    assert client.get(f"{base}/head.dsse.json", If_None_Match=head.headers["ETag"]).status_code == 304
    name = f"{opened(portal).head.deletions.sha256}.parquet"
    whole = client.get(f"{base}/{name}")
    assert (whole.status_code, "immutable" in whole.headers["Cache-Control"]) == (200, True)
    part = client.get(f"{base}/{name}", Range="bytes=0-3")
    assert (part.status_code, part.data) == (206, b"PAR1")
    assert client.get(f"{base}/{name}", If_None_Match=whole.headers["ETag"]).status_code == 304


def test_nothing_else_is_served_and_not_to_anybody(portal: TestedPortal):
    opt_out(portal, ADA, "ada-1")
    client, base = Client(portal), manifest_directory(MANIFEST)
    (portal.config.vectors_dir / base / "secret.parquet").write_text("secret")
    for name in ("writer.lock", "heads", "secret.parquet", "..%2f..%2fkeys%2flist.pem"):
        assert client.get(f"{base}/{name}").status_code == 404, name
    assert client.get(f"{'0' * 64}/head.dsse.json").status_code == 404
    other = Client(portal, "trainer", Scope.RUNS_WRITE)
    for path in ("", f"{base}/head.dsse.json"):
        assert other.get(path).status_code == 403
        assert portal.app.test_client().get(f"{VECTORS}/{path}").status_code == 401


def told(portal: TestedPortal, *command: str) -> Any:
    ended = portal.run("vectors", *command, "--json")
    assert ended.exit_code == 0, ended.output
    return json.loads(ended.stdout)


def test_the_operator_sees_them_and_makes_them_anew(portal: TestedPortal):
    assert told(portal, "show")[0]["version"] == 0
    assert told(portal, "rebuild")[0]["version"] == 0, "no list is published yet"
    opt_out(portal, ADA, "ada-1")
    head = opened(portal).head  # of version 1, or of the next one where copies were found only after it
    assert (told(portal, "show")[0]["version"], told(portal, "show")[0]["deleted"]) == (head.list.version, len(excluded(portal)))
    (portal.config.vectors_dir / manifest_directory(MANIFEST) / f"{head.shards.sha256}.parquet").unlink()
    assert told(portal, "rebuild", MANIFEST)[0]["version"] == head.list.version
    assert deleted(opened(portal)) == excluded(portal)
    refused = portal.run("vectors", "rebuild", "unheard of")
    assert (refused.exit_code, "unheard of" in refused.output) == (1, True)


def test_loaders_follow_the_lists_new_key(portal: TestedPortal):
    opt_out(portal, ADA, "ada-1")
    first = key(portal).verifier
    assert portal.run("keys", "rotate").exit_code == 0
    opt_out(portal, ADA, "ada-2")
    assert key(portal).verifier != first
    with serving(portal.app, int(portal.config.base_url.rpartition(":")[2])):
        for base, token in ((f"{portal.config.base_url}{VECTORS}/", Client(portal).token), (portal.config.vectors_dir, None)):
            vectors = DeletionVectors.open(base, key=first, manifest=MANIFEST, token=token)
            assert deleted(vectors) == excluded(portal)
            assert vectors.head.list.version == 2
    assert told(portal, "show")[0]["version"] == 2


def test_one_manifests_vectors_do_not_pass_for_anothers(portal: TestedPortal):
    opt_out(portal, ADA, "ada-1")
    base = portal.config.vectors_dir
    (base / manifest_directory("another")).symlink_to(base / manifest_directory(MANIFEST))
    with pytest.raises(OtherManifest):
        opened(portal, "another")


KILLED = """
import os, signal, sys
from pathlib import Path
from config import Config
from jobs.workplace import Workplace
from tests.support.settling import settle

point, seen = int(sys.argv[1]), 0
config = Config.from_env()
inside = str(config.vectors_dir)

def hear(event, arguments):
    global seen
    if event in ("os.rename", "os.remove", "os.mkdir", "shutil.rmtree") and inside in str(arguments[0]):
        seen += 1
        if seen == point:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hear)
settle(Workplace.open(config))
"""


@pytest.mark.slow
def test_a_job_killed_between_files_leaves_the_old_vectors_or_the_new_and_is_done_again(portal: TestedPortal):
    opt_out(portal, ADA, "ada-1")
    config = portal.config
    variables = {"DEMUR_DATA_DIR": str(config.data_dir), "DEMUR_DATABASE_URL": config.database_url, "PYTHONPATH": str(ROOT)}
    first = opened(portal).head.list.version
    versions, point = [first], 0
    file(portal, ADA, "ada-2")
    while True:
        point += 1
        ended = subprocess.run([sys.executable, "-c", KILLED, str(point)], env=os.environ | variables, check=False, cwd=ROOT)
        vectors = opened(portal)
        versions.append(vectors.head.list.version)
        assert deleted(vectors) >= {"ada/ada-1.jpg"}
        assert ("ada/ada-2.jpg" in deleted(vectors)) == (versions[-1] > first)
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL
        come_due_again(portal)
    assert versions == sorted(versions)
    assert versions[1] == first < versions[-1]
    assert point > 3
    opt_out(portal, ADA, "ada-3")
    assert deleted(opened(portal)) == excluded(portal)
    left = {path.name for path in config.vectors_dir.glob("*/**/*")}
    assert not [name for name in left if name.startswith(".")], "what the killed ones left is gone with the next publication"


def come_due_again(portal: TestedPortal) -> None:
    """As the relay hands out what gives no sign of life."""
    with portal.workplace.writing.begin() as session:
        session.execute(update(Outbox).where(Outbox.done_at.is_(None)).values(available_at=now()))
