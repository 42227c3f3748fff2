"""A trainer filters by the list, says so, and the operator sees who obeys which version."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from demur.cli import main
from models import Acknowledgement
from rights import tokens
from rights.tokens import Scope
from tests.support.descriptions import as_described
from tests.support.portals import ADA, TestedPortal, now, serving

PATH = "/api/v1/exclusion-list/acknowledgements"


@pytest.fixture
def token(portal: TestedPortal) -> str:
    with portal.workplace.writing.begin() as session:
        return tokens.create(session, "trainer", [Scope.LIST_READ], now())


@pytest.fixture
def root(portal: TestedPortal) -> str:
    """Of version 1, which excludes ada-1."""
    ada = portal.member(ADA)
    ada.get("/photos")
    ada.post("/opt-outs", {"uid": "ada-1"})
    portal.settle()
    return str(json.loads(portal.run("list", "show", "--json").output)["root"])


def send(portal: TestedPortal, token: str | None, body: Any):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return as_described(portal.app.test_client().post(PATH, data=data, headers=headers, content_type="application/json"))


def listed(portal: TestedPortal) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(portal.run("list", "consumers", "--json").output)
    return found


def test_a_version_is_acknowledged_and_the_operator_sees_it(portal: TestedPortal, token: str, root: str):
    assert [one["standing"] for one in listed(portal)] == ["never_acknowledged"]
    assert "never_acknowledged" in portal.run("list", "consumers").output
    answer = send(portal, token, {"version": 1, "root": root, "manifest": "train.parquet", "rows": 23, "dropped": 1})
    assert (answer.status_code, answer.json) == (201, {"version": 1, "newest": 1})
    [consumer] = listed(portal)
    assert consumer.pop("acknowledged_at")
    assert consumer == {
        "consumer": "trainer",
        "standing": "current",
        "version": 1,
        "manifest": "train.parquet",
        "rows": 23,
        "dropped": 1,
        "versions_behind": 0,
        "hours_behind": None,
    }
    portal.run("list", "publish", "--force")
    [consumer] = listed(portal)
    assert (consumer["standing"], consumer["versions_behind"], consumer["hours_behind"]) == ("behind", 1, 0.0)
    assert "trainer" not in portal.visitor().get("/exclusion-list").text


def test_another_list_and_strangers_are_refused(portal: TestedPortal, token: str, root: str):
    good = {"version": 1, "root": root, "manifest": "m", "rows": 2, "dropped": 1}
    for body in (good | {"root": "0" * 64}, good | {"version": 2}):
        refused = send(portal, token, body)
        assert (refused.status_code, refused.json["error"]) == (422, "NotPublished")
    assert send(portal, None, good).status_code == 401
    with portal.workplace.writing.begin() as session:
        other = tokens.create(session, "reporter", [Scope.RUNS_WRITE], now())
    assert send(portal, other, good).status_code == 403
    assert send(portal, token, b" " * 300_000).status_code == 413
    with portal.workplace.reading() as session:
        assert session.scalars(select(Acknowledgement)).all() == []


GOOD = {"version": 1, "root": "a" * 64, "manifest": "m", "rows": 2, "dropped": 1}


@pytest.mark.parametrize(
    "body",
    [
        b"no json",
        b"[" * 60_000,
        b"[]",
        {},
        {name: value for name, value in GOOD.items() if name != "manifest"},
        GOOD | {"host": "train-7"},
        GOOD | {"version": 0},
        GOOD | {"version": True},
        GOOD | {"version": "1"},
        GOOD | {"version": 1.0},
        GOOD | {"rows": -1},
        GOOD | {"rows": 2**53},
        GOOD | {"dropped": 3},
        GOOD | {"root": "A" * 64},
        GOOD | {"root": None},
        GOOD | {"manifest": None},
        GOOD | {"manifest": "m" * 201},
        GOOD | {"manifest": "\x1b[2J"},
    ],
    ids=lambda body: str(body)[:60],
)
def test_what_is_not_of_the_form_is_refused_by_name(portal: TestedPortal, token: str, body: Any):
    refused = send(portal, token, body)
    assert (refused.status_code, refused.json["error"]) == (422, "BadAcknowledgement")


def filtered(portal: TestedPortal, directory: Path, list_source: str, token: str, *options: str) -> Result:
    key = portal.visitor().get("/api/v1/exclusion-list/key").text.strip()
    manifest = directory / "train.csv"
    manifest.write_text("uid,caption\nada-0,a\nada-1,b\nben-0,c\n")
    arguments = ["filter", manifest, "--list", list_source, "--key", key, "--token", token, "--out", directory / "kept.csv", *options]
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert (directory / "kept.csv").read_text() == "uid,caption\nada-0,a\nben-0,c\n", result.stderr
    return result


def test_demur_filter_acknowledges_what_it_applied(portal: TestedPortal, token: str, root: str, tmp_path: Path):
    with serving(portal.app, urlsplit(portal.config.base_url).port or 0):
        url = f"{portal.config.base_url}/api/v1/exclusion-list/"
        assert json.loads(filtered(portal, tmp_path, url, token, "--json").stdout)["acknowledged"] is False
        assert listed(portal)[0]["standing"] == "never_acknowledged", "only who is asked to tells"
        told = filtered(portal, tmp_path, url, token, "--json", "--acknowledge")
    assert (told.exit_code, json.loads(told.stdout)["acknowledged"]) == (0, True)
    [consumer] = listed(portal)
    assert (consumer["version"], consumer["manifest"], consumer["rows"], consumer["dropped"]) == (1, "train.csv", 3, 1)


def test_a_publisher_that_cannot_be_told_is_a_note_and_no_failure(portal: TestedPortal, token: str, root: str, tmp_path: Path):
    result = filtered(portal, tmp_path, str(portal.config.list_dir), token, "--acknowledge")
    assert result.exit_code == 0
    assert "the publisher was not told that version 1 was applied: the list was read from a directory" in result.stderr
