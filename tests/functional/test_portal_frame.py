"""What every page has: headers, one transaction, plain errors; and the operator's commands."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click import Command, Option
from flask import Flask
from sqlalchemy import event, select, text
from structlog.testing import capture_logs
from werkzeug.routing import Map, Rule

from models import Account, Outbox
from portal.address import _ANY_HOST
from portal.bodies import Body, body_of
from portal.converters import UidConverter
from portal.database import READING_POSTS, WRITING_GETS, db
from tests.support.portals import ADA, MANIFEST, TestedPortal, now

GROUPS = {"db", "index", "keys", "list", "log", "manifest", "oidc", "opt-outs", "proposals", "runs", "token", "vectors"}


@contextmanager
def counted_statements(portal: TestedPortal) -> Iterator[list[str]]:
    """What the web part asks the database meanwhile."""
    statements: list[str] = []
    engine = portal.app.extensions["demur"].engine

    def note(_connection, _cursor, statement, *_):
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield statements
    event.remove(engine, "before_cursor_execute", note)


def test_headers_allow_nothing_inline_and_no_frames(portal: TestedPortal):
    answer = portal.visitor().get("/")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "worker-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert "<script>" not in answer.text
    assert "style=" not in answer.text


def test_member_pages_are_private(portal: TestedPortal):
    ada = portal.member(ADA)
    for path in ("/photos", "/photos/ada-0", "/requests", "/account", "/opt-outs/everything"):
        assert ada.get(path).headers["Cache-Control"] == "no-store"  # not even in the browser's history after signing out


def test_pages_for_strangers_set_no_cookie(portal: TestedPortal):
    for path in ("/", "/runs", "/exclusion-list", "/healthz"):
        assert "Set-Cookie" not in portal.visitor().get(path).headers


def test_a_missing_page_says_so_in_plain_words_and_json(portal: TestedPortal):
    visitor = portal.visitor()
    assert "There is no such page" in visitor.get("/nothing").text
    assert visitor.get("/api/v1/nothing").get_json()["error"] == "There is no such page"


def test_another_method_is_told_which_ones_there_are(portal: TestedPortal):
    answer = portal.visitor().client.delete("/runs")
    assert answer.status_code == 405
    assert "GET" in answer.allow
    assert "DELETE" not in answer.allow
    assert "That is not how this page works" in answer.text


def test_a_fault_is_a_page_and_undoes_what_was_written(portal: TestedPortal):
    def fail() -> str:
        db().add(Account(display_name="half done", created_at=now()))
        db().flush()
        raise RuntimeError("a fault")

    portal.app.add_url_rule("/fault", "fault", fail, methods=["POST"])
    portal.app.extensions["csrf"].exempt(fail)
    with capture_logs() as logs:
        answer = portal.visitor().client.post("/fault?uid=ada-0")
    assert [(one["event"], one["endpoint"]) for one in logs] == [("fault", "fault"), ("request", "fault")]
    assert "ada-0" not in str(logs)
    assert answer.status_code == 500
    assert "Something broke on our side" in answer.text
    with portal.workplace.reading() as session:
        assert session.scalars(select(Account)).all() == []


def methods(app: Flask) -> dict[str, set[str]]:
    """Endpoint → the methods that it takes."""
    taken: dict[str, set[str]] = {}
    for rule in app.url_map.iter_rules():
        taken.setdefault(rule.endpoint, set()).update(rule.methods or ())
    return taken


def test_every_endpoint_that_a_table_or_a_declaration_names_exists_and_takes_that_method(portal: TestedPortal):
    taken = methods(portal.app)
    goes_on_at = {view.goes_on_at for view in portal.app.view_functions.values() if hasattr(view, "goes_on_at")}
    assert {"opt_outs.check", "photos.tick_photos"} <= goes_on_at
    for method, endpoints in (("POST", READING_POSTS | goes_on_at), ("GET", WRITING_GETS | _ANY_HOST)):
        assert [name for name in endpoints if method not in taken.get(name, ())] == []


def declared(view: Any) -> Body | None:
    """What is declared anywhere below the wrappers of a view."""
    while view is not None:
        if "body" in vars(view):
            return vars(view)["body"]
        view = getattr(view, "__wrapped__", None)
    return None


def test_what_a_view_declares_of_its_body_is_what_the_portal_reads_whatever_wraps_the_view(portal: TestedPortal):
    posts = {name for name, taken in methods(portal.app).items() if taken & {"POST", "PUT", "PATCH"}}
    bodies = {name: declared(portal.app.view_functions[name]) for name in posts}
    assert {name: body_of(portal.app, name) for name in posts} == {name: body or Body() for name, body in bodies.items()}
    assert {name for name, body in bodies.items() if body} == {
        "api.look_up",
        "api.record_training_run",
        "api_v2.query_urls",
        "log.cosign",
        "lookup.search",
        "opt_outs.check",
        "opt_outs.file",
        "photos.contest_taken",
        "photos.put_back_ticked",
        "photos.tick_photos",
        "verify.check",
    }


def test_a_declared_body_is_one_that_arrives_by_a_method_with_a_body(portal: TestedPortal):
    taken = methods(portal.app)
    views = portal.app.view_functions
    assert [name for name, view in views.items() if declared(view) and not taken[name] & {"POST", "PUT"}] == []


def test_whatever_files_withdraws_or_decides_is_counted_together(portal: TestedPortal):
    counted = {name for name, view in portal.app.view_functions.items() if getattr(view, "changes_opt_outs", False)}
    assert counted == {
        "opt_outs.file",
        "photos.contest",
        "photos.contest_taken",
        "photos.decide",
        "photos.put_back_one",
        "photos.put_back_ticked",
        "requests.withdraw",
    }


@pytest.mark.parametrize("uid", ["plain-7", "with/slash", "https://example.org/a?b=c#d", "ü", "..", "~tilde", "a b", "x/thumbnail"])
def test_any_uid_has_an_address(uid: str):
    adapter = Map([Rule("/photos/<uid:uid>/thumbnail", endpoint="t")], converters={"uid": UidConverter}).bind("h")
    path = adapter.build("t", {"uid": uid})
    assert adapter.match(path) == ("t", {"uid": uid})


def test_commands_print_facts_as_json(portal: TestedPortal):
    manifests = json.loads(portal.run("manifest", "list", "--json").output)
    assert [(one["name"], one["state"]) for one in manifests] == [(MANIFEST, "registered")]
    made = json.loads(portal.run("token", "create", "trainer", "--scope", "list:read", "--json").output)
    assert made["token"].startswith("demur_")
    assert "trainer" in portal.run("token", "list").output
    again = portal.run("token", "create", "trainer", "--scope", "list:read")
    assert again.exit_code == 1
    assert "there is a token named trainer already" in again.output
    assert portal.run("token", "revoke", "trainer").exit_code == 0
    run = json.loads(portal.run("runs", "start", "Run 1", "--tier", "tests", "--json").output)
    assert run["state"] == "queued"
    assert "Run 1" in portal.run("runs", "list").output
    assert "Run 1" in portal.visitor().get("/progress").text


def test_publishing_by_command(portal: TestedPortal):
    assert portal.run("list", "show").exit_code == 1
    published = json.loads(portal.run("list", "publish", "--force", "--json").output)
    assert published["version"] == 1
    assert json.loads(portal.run("list", "publish", "--json").output) == {}
    assert "demur-demo+" in portal.run("list", "show").output


def test_every_command_has_help(portal: TestedPortal):
    groups = {name: group for name, group in portal.app.cli.commands.items() if (group.callback or group).__module__.startswith("portal.")}
    assert set(groups) == GROUPS
    told = [text for group in groups.values() for command in (group, *group.commands.values()) for text in texts(command)]
    assert [text for text in told if len(text.split()) < 2] == []


def texts(command: Command) -> list[str]:
    """What --help says of a command and of each of its options."""
    return [command.help or "", *(option.help or "" for option in command.params if isinstance(option, Option))]


def test_a_rebuilt_manifest_answers_as_before(portal: TestedPortal, member_catalogues: Path):
    portal.config.catalogues_dir.unlink()
    shutil.copytree(member_catalogues, portal.config.catalogues_dir)
    done = portal.run("manifest", "rebuild", MANIFEST)
    assert done.exit_code == 0, done.output
    assert portal.member(ADA).get("/photos/ada-0").status_code == 200
    assert portal.run("manifest", "rebuild", "nothing").exit_code == 1


def test_opt_outs_are_carried_into_manifests_again_by_command(portal: TestedPortal):
    assert portal.run("manifest", "propagate").output == f"the worker carries the standing opt-outs into {MANIFEST}\n"
    assert portal.run("manifest", "propagate", MANIFEST).exit_code == 0
    unknown = portal.run("manifest", "propagate", MANIFEST, "nothing")
    assert (unknown.exit_code, unknown.output) == (1, "Error: there is no registered manifest named nothing\n")
    with portal.workplace.reading() as session:
        assert session.scalars(select(Outbox.topic)).all() == ["propagate_manifest"] * 2


def test_importing_by_command(portal: TestedPortal, photos_dir):
    portal.config.catalogues_dir.unlink()
    portal.config.catalogues_dir.mkdir()
    done = portal.run("manifest", "import", str(photos_dir), "--name", "again", "--workers", "1", "--json")
    assert done.exit_code == 0, done.output
    assert '"rejected": {"not_public": 2}' in done.stdout
    missing = portal.run("manifest", "import", str(photos_dir / "photos.csv") + ".no", "--name", "x")
    assert missing.exit_code == 2


@pytest.mark.parametrize("table", ["account", "web_session"])
def test_a_member_reads_a_calm_page_when_the_database_fails(portal: TestedPortal, table: str):
    member = portal.member(ADA)
    engine = portal.app.extensions["demur"].engine
    with engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE {table} RENAME TO lost"))
    answer = member.get("/photos")
    # A table that is gone is "operational" to SQLite, and a fault of the program to PostgreSQL.
    status, title = (503, "We are busy for a moment") if engine.dialect.name == "sqlite" else (500, "Something broke on our side")
    assert (answer.status_code, f"<h1>{title}</h1>" in answer.text) == (status, True)
    says = "The database does not answer. Nothing was changed." if status == 503 else "Nothing you sent was saved, so nothing is half done."
    assert says in answer.text


def test_an_error_page_asks_nobody_who_is_signed_in(portal: TestedPortal):
    member = portal.member(ADA)
    with counted_statements(portal) as statements:
        answer = member.get("/nothing")
    assert answer.status_code == 404
    assert [one for one in statements if "account" in one.split("WHERE")[-1].lower() or "FROM account" in one] == []
