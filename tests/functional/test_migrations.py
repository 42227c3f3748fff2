"""Every migration goes up, comes down, and ends where the tables are, on both databases."""

import json

import pytest
from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.script import ScriptDirectory
from sqlalchemy import JSON, column, inspect, select, text

from demur.similarity.query import Variant
from models import Outbox, make_engine, make_sessions
from models.migrating import alembic_config
from rights.thumbnails import MAKE_THUMBNAILS
from rights.variants import unpack


@pytest.fixture
def alembic(database_url: str) -> AlembicConfig:
    return alembic_config(database_url)


def tables(url: str) -> set[str]:
    engine = make_engine(url)
    names = set(inspect(engine).get_table_names())
    engine.dispose()
    return names


def test_the_migrations_build_exactly_the_tables_of_the_code(alembic):
    command.check(alembic)  # raises when autogenerate would change anything


def test_each_migration_can_be_taken_down_and_put_up_again(alembic, database_url):
    for script in ScriptDirectory.from_config(alembic).walk_revisions():
        below = script.down_revision or "base"
        command.downgrade(alembic, below)
        command.upgrade(alembic, script.revision)
        command.downgrade(alembic, below)
    assert tables(database_url) == {"alembic_version"}
    command.upgrade(alembic, "head")
    command.check(alembic)


MANIFEST = """INSERT INTO manifest (id, public_id, name, state, catalogue, rows, rejected, started_at, stage, done, updated_at)
VALUES (:id, :name, :name, :state, :name, 3, '{}', '2026-11-21 14:02:00', '', 0, '2026-11-21 14:02:00')"""


def test_the_manifests_of_a_portal_that_is_updated_get_their_thumbnails(alembic, database_url):
    command.downgrade(alembic, "0006")
    engine = make_engine(database_url)
    with engine.begin() as connection:
        for number, state in ((1, "registered"), (2, "importing"), (3, "registered")):
            connection.execute(text(MANIFEST), {"id": number, "name": f"m{number}", "state": state})
    command.upgrade(alembic, "head")
    with make_sessions(engine)() as session:
        rows = session.scalars(select(Outbox).order_by(Outbox.id)).all()
    assert [(row.topic, row.payload, row.attempts) for row in rows] == [
        (MAKE_THUMBNAILS, {"manifest_id": manifest_id, "start": 0}, 0) for manifest_id in (1, 3)
    ]
    command.downgrade(alembic, "0006")
    with engine.connect() as connection:
        assert connection.scalars(text("SELECT count(*) FROM outbox")).one() == 0
    engine.dispose()


OPT_OUT = """INSERT INTO opt_out (id, public_id, origin, scope, owner, subject, note, pdq_quality, dihedral, filed_at, held)
VALUES (:id, :public_id, 'member', 'picture', 'ada', :public_id, '', 77, :dihedral, '2026-11-21 14:02:00', :held)"""


def test_orientations_become_variants_and_variants_orientations(alembic, database_url):
    orientations = [f"{number:016x}{number + 8:064x}" for number in range(8)]
    command.downgrade(alembic, "0001")
    engine = make_engine(database_url)
    with engine.begin() as connection:
        for number, dihedral in ((1, orientations), (2, [])):
            row = {"id": number, "public_id": str(number), "dihedral": json.dumps(dihedral), "held": False}
            connection.execute(text(OPT_OUT), row)
    command.upgrade(alembic, "head")
    with engine.connect() as connection:
        packed, nothing = connection.scalars(text("SELECT variants FROM opt_out ORDER BY id"))
    assert nothing is None
    assert list(unpack(packed)) == [Variant("", number, number, (number + 8).to_bytes(32, "big"), 77) for number in range(8)]
    command.downgrade(alembic, "0001")
    with engine.connect() as connection:
        kept = connection.execute(select(column("dihedral", JSON())).select_from(text("opt_out")).order_by(text("id")))
        assert list(kept.scalars()) == [orientations, []]
    engine.dispose()


OWNER = """INSERT INTO opt_out (id, public_id, origin, scope, owner, subject, note, filed_at, held, effective_version)
VALUES (1, 'everything', 'member', 'owner', 'ada', '', '', '2026-11-21 14:02:00', :held, 1)"""
EXEMPT = "INSERT INTO exemption (id, opt_out_id, uid, exempted_at) VALUES (1, 1, 'ada-1', '2026-11-22 14:02:00')"
ENTRY = """INSERT INTO exclusion_entry (id, opt_out_id, kind, key, pdq, since_version, ended, until_version)
VALUES (:id, 1, :kind, :key, '', 1, :ended, :until)"""


def test_without_exemptions_everything_of_an_owner_is_excluded_again(alembic, database_url):
    engine = make_engine(database_url)
    entries = [("owner", "ada", True, 2), ("uid", "ada-1", True, None), ("uid", "ada-2", False, None)]
    with engine.begin() as connection:
        connection.execute(text(OWNER), {"held": False})
        connection.execute(text(EXEMPT))
        for number, (kind, key, ended, until) in enumerate(entries, start=1):
            connection.execute(text(ENTRY), {"id": number, "kind": kind, "key": key, "ended": ended, "until": until})
    command.downgrade(alembic, "0003")
    with engine.connect() as connection:
        kept = connection.execute(text("SELECT key, since_version, ended, until_version FROM exclusion_entry ORDER BY id")).all()
    assert [(key, since, bool(ended), until) for key, since, ended, until in kept] == [
        ("ada", None, False, None),
        ("ada-1", 1, False, None),
        ("ada-2", 1, False, None),
    ]
    command.upgrade(alembic, "head")
    engine.dispose()


REQUEST = """INSERT INTO rights_request (id, public_id, reference, account_id, kind, regime, state, comment, received_at)
VALUES (:id, :regime, :regime, 1, 'objection', :regime, 'open', '', '2026-11-21 14:02:00')"""
ACCOUNT = """INSERT INTO account (id, public_id, display_name, email, created_at) VALUES (1, 'a', 'Ada', '', '2026-11-21 14:02:00')"""


def test_uk_and_swiss_law_become_the_gdpr_answer_that_they_once_shared(alembic, database_url):
    regimes = ["gdpr", "uk_gdpr", "swiss_fadp", "ccpa", "voluntary"]
    engine = make_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text(ACCOUNT))
        for number, regime in enumerate(regimes, 1):
            connection.execute(text(REQUEST), {"id": number, "regime": regime})
    command.downgrade(alembic, "0004")
    command.upgrade(alembic, "head")
    with engine.connect() as connection:
        kept = connection.scalars(text("SELECT regime FROM rights_request ORDER BY id")).all()
    assert kept == ["gdpr", "gdpr", "gdpr", "ccpa", "voluntary"]
    engine.dispose()


def test_pictures_looked_up_before_count_as_fingerprints_and_what_was_held_says_why(alembic, database_url):
    command.downgrade(alembic, "0009")
    engine = make_engine(database_url)
    with engine.begin() as connection:
        for subject, scope, held in (("a" * 64, "picture", True), ("ada-0", "photo", False)):
            connection.execute(
                text(
                    "INSERT INTO opt_out (public_id, origin, scope, owner, subject, note, filed_at, held) "
                    "VALUES (:subject, 'member', :scope, 'ada', :subject, '', '2026-06-01', :held)"
                ),
                {"subject": subject, "scope": scope, "held": held},
            )
    command.upgrade(alembic, "0010")
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT scope, decoded, held_because FROM opt_out ORDER BY scope")).all()
    assert [(scope, bool(decoded), because) for scope, decoded, because in rows] == [("photo", True, ""), ("picture", False, "reach")]
    command.downgrade(alembic, "0009")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM opt_out WHERE held")).scalar() == 1
    command.upgrade(alembic, "head")
    engine.dispose()


MATCH = """INSERT INTO opt_out_match (opt_out_id, manifest_id, position, uid, owner, kind, accepted_at)
VALUES (1, 1, :position, :uid, 'ben', :kind, :accepted)"""


def test_what_was_taken_out_before_counts_as_told_and_statements_keep_their_leaves(alembic, database_url):
    command.downgrade(alembic, "0010")
    engine = make_engine(database_url)
    rows = (("exact", None), ("proposed", None), ("proposed", "2026-11-22 14:02:00"))
    with engine.begin() as connection:
        connection.execute(text(MANIFEST), {"id": 1, "name": "m1", "state": "registered"})
        connection.execute(
            text(
                "INSERT INTO opt_out (id, public_id, origin, scope, owner, subject, note, filed_at, held, decoded, held_because) "
                "VALUES (1, 'one', 'member', 'photo', 'ada', 'ada-0', '', '2026-11-21 14:02:00', :held, :decoded, '')"
            ),
            {"held": False, "decoded": True},
        )
        for position, (kind, accepted) in enumerate(rows):
            connection.execute(text(MATCH), {"position": position, "uid": f"ben-{position}", "kind": kind, "accepted": accepted})
        connection.execute(
            text(
                "INSERT INTO log_entry (public_id, kind, created_at, statement, salt, leaf) "
                "VALUES ('p', 'opt_out_filed', '2026-11-21 14:02:00', :bytes, :bytes, :bytes)"
            ),
            {"bytes": b"1"},
        )
    command.upgrade(alembic, "head")
    with engine.connect() as connection:
        told = connection.execute(text("SELECT told_at, edit, dihedral FROM opt_out_match ORDER BY position")).all()
    assert [bool(one.told_at) for one in told] == [True, False, True]
    assert {(one.edit, one.dihedral) for one in told} == {(None, None)}, "nobody wrote down how they differ"
    command.downgrade(alembic, "0010")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM log_entry")).scalar() == 1
    command.upgrade(alembic, "head")
    engine.dispose()


ADDRESSED = (
    """INSERT INTO account (id, public_id, display_name, email, created_at) VALUES (:id, :email, 'Ada', :email, '2026-11-21 14:02:00')"""
)
SESSION = """INSERT INTO web_session (digest, data, created_at, expires_at) VALUES ('d', '{"_user_id": "a"}', :at, '2099-01-01 00:00:00')"""


def test_sessions_without_a_sign_in_end_and_addresses_that_are_read_as_others_are_forgotten(alembic, database_url):
    addresses = ["ada@lantern.example", "=?utf-8?q?victim?=@b.c", "a@b..c", "a..b@c", ".a@b", "a.@b"]
    command.downgrade(alembic, "0005")
    engine = make_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text(SESSION), {"at": "2026-11-21 14:02:00"})
        for number, email in enumerate(addresses, 1):
            connection.execute(text(ADDRESSED), {"id": number, "email": email})
    command.upgrade(alembic, "head")
    with engine.connect() as connection:
        assert connection.scalars(text("SELECT email FROM account ORDER BY id")).all() == ["ada@lantern.example", "", "", "", "", ""]
        assert connection.scalars(text("SELECT digest FROM web_session")).all() == []
    engine.dispose()


FILED = """INSERT INTO opt_out (id, public_id, origin, scope, owner, subject, note, filed_at, held, propagated_at, withdrawn_at)
VALUES (:id, :subject, 'member', 'photo', :owner, :subject, '', '2026-11-21 14:02:00', :held, :propagated, :withdrawn)"""
PROMISED = """INSERT INTO outbox (topic, payload, created_at, available_at, attempts, last_error, turn)
VALUES ('search_copies', '{}', '2026-11-21 14:02:00', '2026-11-21 14:03:00', 3, 'OSError', :turn)"""


def test_what_was_searched_is_named_and_a_turn_that_waits_is_promised_to_each_opt_out_again(alembic, database_url):
    then = "2026-11-21 14:05:00"
    command.downgrade(alembic, "0007")
    engine = make_engine(database_url)
    with engine.begin() as connection:
        for number, (owner, propagated, withdrawn) in enumerate(
            [("ada", then, None), ("ada", None, None), ("ada", None, then), ("ben", None, None), ("ada", None, None)], 1
        ):
            row = {"id": number, "subject": f"photo-{number}", "owner": owner, "held": False}
            connection.execute(text(FILED), row | {"propagated": propagated, "withdrawn": withdrawn})
    command.upgrade(alembic, "0008")
    with engine.begin() as connection:
        named = connection.execute(text("SELECT id FROM opt_out WHERE named_at = propagated_at ORDER BY id")).scalars().all()
        unnamed = connection.execute(text("SELECT id FROM opt_out WHERE named_at IS NULL ORDER BY id")).scalars().all()
        connection.execute(text(PROMISED), {"turn": "ada"})
    assert (named, unnamed) == ([1], [2, 3, 4, 5])
    command.downgrade(alembic, "0007")
    with engine.connect() as connection:
        payload = column("payload", JSON())
        rows = connection.execute(select(column("topic"), payload, column("attempts"), column("last_error")).select_from(text("outbox")))
        promised = sorted((topic, payload["opt_out_id"], attempts, error) for topic, payload, attempts, error in rows)
    assert promised == [("propagate_opt_outs", 2, 0, ""), ("propagate_opt_outs", 5, 0, "")]
    command.upgrade(alembic, "head")
    engine.dispose()


RUN = """INSERT INTO training_run (id, public_id, name, state, tier, directory, failure, queued_at, dropped, metrics)
VALUES (:id, :name, :name, :state, 'tests', '', :failure, '2026-11-21 14:02:00', '{}', '{}')"""
EVENT = """INSERT INTO audit_event (id, at, actor, action, subject, detail)
VALUES (:id, '2026-11-21 14:02:00', 'worker', :action, 'run', :detail)"""
BROKEN = """INSERT INTO outbox (id, topic, payload, created_at, available_at, attempts, last_error, turn)
VALUES (1, 'publish_list', '{}', '2026-11-21 14:02:00', '2026-11-21 14:03:00', 3, :error, '')"""


def test_what_programs_said_of_failures_is_forgotten_and_the_reason_is_kept(alembic, database_url):
    said = "no such file: /home/ada/passport.jpg"
    command.downgrade(alembic, "0008")
    engine = make_engine(database_url)
    with engine.begin() as connection:
        for number, (state, failure) in enumerate([("failed", said), ("recorded", "")], 1):
            connection.execute(text(RUN), {"id": number, "name": f"run-{number}", "state": state, "failure": failure})
        for number, action in enumerate(["run.failed", "run.recorded"], 1):
            connection.execute(text(EVENT), {"id": number, "action": action, "detail": json.dumps({"detail": said})})
        connection.execute(text(BROKEN), {"error": said})
    command.upgrade(alembic, "0009")
    with engine.connect() as connection:
        reasons = connection.execute(text("SELECT state, failure_reason FROM training_run ORDER BY id")).all()
        details = connection.execute(select(column("detail", JSON())).select_from(text("audit_event")).order_by(text("id"))).scalars().all()
        errors = connection.execute(text("SELECT last_error FROM outbox")).scalars().all()
    assert reasons == [("failed", "failed"), ("recorded", None)]
    assert details == [{}, {"detail": said}]
    assert errors == [""]
    command.downgrade(alembic, "0008")
    with engine.connect() as connection:
        failures = connection.execute(text("SELECT failure FROM training_run ORDER BY id")).scalars().all()
    assert failures == ["The run failed.", ""]
    command.upgrade(alembic, "head")
    engine.dispose()


ENDED = """INSERT INTO opt_out (id, public_id, request_id, origin, scope, owner, subject, note, filed_at, held, withdrawn_at)
VALUES (:id, :subject, :request_id, :origin, 'photo', 'ada', :subject, '', '2026-11-20 14:02:00', :held, :withdrawn_at)"""
DENIAL = """INSERT INTO log_entry (id, public_id, kind, request_id, created_at, statement, salt, leaf)
VALUES (1, 'denial', 'opt_out_denied', 1, '2026-11-22 14:02:00', :bytes, :bytes, :bytes)"""


def test_of_what_ended_before_the_log_says_who_ended_it(alembic, database_url):
    command.downgrade(alembic, "0011")
    engine = make_engine(database_url)
    ended = [("member", 1, "2026-11-21 14:02:00"), ("member", 1, "2026-11-22 14:02:00"), ("platform", None, "2026-11-22 14:02:00")]
    with engine.begin() as connection:
        connection.execute(text(ACCOUNT))
        connection.execute(text(REQUEST), {"id": 1, "regime": "gdpr"})
        connection.execute(text("UPDATE rights_request SET denied_because = 'suspected_fraud'"))
        connection.execute(text(DENIAL), {"bytes": b"x"})
        for number, (origin, request_id, at) in enumerate([*ended, ("member", 1, None)], 1):
            row = {"id": number, "subject": f"ada-{number}", "request_id": request_id, "origin": origin, "held": False, "withdrawn_at": at}
            connection.execute(text(ENDED), row)
    command.upgrade(alembic, "0012")
    with engine.connect() as connection:
        kept = connection.execute(text("SELECT ended_by, ended_because, ended_by_member FROM opt_out ORDER BY id")).all()
    assert kept == [("member", "", "a"), ("operator", "suspected_fraud", ""), ("platform", "", ""), (None, "", "")]
    command.downgrade(alembic, "0011")
    command.upgrade(alembic, "head")
    engine.dispose()


PAST = """INSERT INTO past_entry (id, opt_out_id, kind, key, since_version, until_version) VALUES (:id, 1, :kind, 'ada', 1, 2)"""


def test_past_spans_are_kept_of_uids_and_owners_alone(alembic, database_url):
    command.downgrade(alembic, "0012")
    engine = make_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text(OWNER), {"held": False})
        for number, kind in enumerate(("uid", "sha256", "owner", "phash", "url"), 1):
            connection.execute(text(PAST), {"id": number, "kind": kind})
    command.upgrade(alembic, "0013")
    with engine.connect() as connection:
        assert connection.scalars(text("SELECT kind FROM past_entry ORDER BY id")).all() == ["uid", "owner"]
    command.downgrade(alembic, "0012")
    command.upgrade(alembic, "head")
    engine.dispose()
