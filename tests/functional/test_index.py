"""The index as the operator cares for it; and what a portal does whose index is gone: nothing, aloud."""

import io
import json
import shutil
from typing import Any

import pytest
from sqlalchemy import select, update

from models import OptOut, Outbox
from tests.factories import NOW
from tests.support.lookups import fingerprint_of
from tests.support.pictures import photo_bytes
from tests.support.portals import ADA, TestedPortal


def facts(portal: TestedPortal, command: str) -> dict[str, Any]:
    ended = portal.run("index", command, "--json")
    assert ended.exit_code == 0, ended.output
    told: dict[str, Any] = json.loads(ended.stdout)
    return told


def look_up(portal: TestedPortal) -> Any:
    visitor = portal.visitor()
    visitor.get("/lookup")
    token = visitor.hidden_fields()["csrf_token"][0]
    return visitor.post("/lookup", data={"csrf_token": token, "picture": (io.BytesIO(photo_bytes("ada", 0)), "picture.jpg")})


def test_the_operator_sees_mends_and_compacts_the_index(portal: TestedPortal):
    held = facts(portal, "show")
    assert (held["hashes"] > 15, held["missing"], held["left"]) == (True, [], [])
    assert facts(portal, "rebuild")["generation"] == held["generation"] + 1
    assert facts(portal, "compact")["hashes"] == held["hashes"]
    assert "as it was written" in portal.run("index", "verify").output
    verified = facts(portal, "verify")
    assert (verified["verified"], verified["bytes_on_disk"]) == (True, facts(portal, "show")["bytes_on_disk"])
    rebuilt = portal.run("manifest", "rebuild", "generated", "--json")
    assert (json.loads(rebuilt.stdout)["name"], "is rebuilt" in rebuilt.stderr) == ("generated", True)
    assert "is rebuilt" in portal.run("manifest", "rebuild", "generated").output
    assert facts(portal, "show")["missing"] == []


def test_without_its_index_the_portal_says_neither_yes_nor_no(portal: TestedPortal, capsys: pytest.CaptureFixture[str]):
    assert look_up(portal).status_code == 200
    shutil.rmtree(portal.config.similarity_dir)
    answer = look_up(portal)
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
    assert "we will not say no" in answer.text
    assert "flask index rebuild" in capsys.readouterr().err
    asked = portal.app.test_client().post("/api/v1/lookups", json=fingerprint_of(photo_bytes("ada", 0)))
    assert (asked.status_code, asked.json["detail"]) == (503, ""), "where our files lie is the log's alone"
    shown = portal.run("index", "show")
    assert (shown.exit_code, "no similarity index" in shown.output) == (1, True)
    facts(portal, "rebuild")
    assert look_up(portal).status_code == 200


def test_propagation_waits_for_an_index_that_is_whole(portal: TestedPortal):
    shutil.rmtree(portal.config.similarity_dir)
    ada = portal.member(ADA)
    ada.get("/photos")
    ada.post("/opt-outs", {"uid": ["ada-0"]})
    portal.settle()
    with portal.workplace.writing.begin() as session:
        waiting = session.scalars(select(Outbox).where(Outbox.done_at.is_(None))).all()
        assert {row.topic: row.last_error for row in waiting} == dict.fromkeys(("search_copies", "update_vectors"), "IndexIncomplete")
        opt_out = session.scalars(select(OptOut)).one()
        assert (opt_out.effective_version, opt_out.propagated_at) == (1, None), "the photo itself is listed meanwhile"
        session.execute(update(Outbox).values(available_at=NOW))
    facts(portal, "rebuild")
    portal.settle()
    with portal.workplace.reading() as session:
        assert session.scalars(select(OptOut.propagated_at)).one() is not None
        assert session.scalars(select(Outbox).where(Outbox.done_at.is_(None))).all() == []
