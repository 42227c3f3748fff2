"""Whether addresses are opted out, as crawlers ask it in bulk: in Spawning's protocol, and with its own client."""

from urllib.parse import urlsplit

import pytest
from datadiligence.rules import SpawningAPI
from sqlalchemy import select

from models import Account, RightsRequest
from portal.api.url_queries import MAX_BYTES, MAX_URLS, key_of, lines_of
from rights import tokens
from rights.tokens import Scope
from rights.withdrawals import withdraw_request
from tests.support.descriptions import as_described
from tests.support.portals import ADA, TestedPortal, now, serving

PATH = "/api/v2/query/urls/"
OPTED_OUT, FREE = "https://photos.example/ada-1", "https://photos.example/ada-2"


@pytest.fixture
def key(portal: TestedPortal) -> str:
    with portal.workplace.writing.begin() as session:
        return tokens.create(session, "crawler", [Scope.LIST_READ], now())


@pytest.fixture
def published(portal: TestedPortal) -> TestedPortal:
    """Version 1 excludes ada-1."""
    opt_out(portal, "ada-1")
    portal.settle()
    return portal


def opt_out(portal: TestedPortal, uid: str) -> None:
    ada = portal.member(ADA)
    ada.get("/photos")
    ada.post("/opt-outs", {"uid": uid})


def ask(portal: TestedPortal, key: str, body: str | bytes, **options):
    options.setdefault("headers", {"Authorization": f"API {key}"})
    return as_described(portal.app.test_client().post(PATH, data=body, **{"content_type": "text/plain", **options}))


def answers(portal: TestedPortal, key: str, body: str) -> list[tuple[str, bool]]:
    answer = ask(portal, key, body)
    assert answer.status_code == 200, answer.text
    return [(one["url"], one["optOut"]) for one in answer.json["urls"]]


def test_answers_come_in_the_order_asked(published: TestedPortal, key: str):
    assert answers(published, key, f"{FREE}\n{OPTED_OUT}\nhttps://elsewhere.example/") == [
        (FREE, False),
        (OPTED_OUT, True),
        ("https://elsewhere.example/", False),
    ]


def test_a_line_is_a_question_however_it_ends_and_however_often_it_stands(published: TestedPortal, key: str):
    assert answers(published, key, f"{OPTED_OUT}\r\n\r\n{FREE}\r\n{OPTED_OUT}\r\n") == [
        (OPTED_OUT, True),
        ("", False),
        (FREE, False),
        (OPTED_OUT, True),
    ]
    assert answers(published, key, "") == []
    assert answers(published, key, f"{OPTED_OUT}\0\n{OPTED_OUT}/") == [(f"{OPTED_OUT}\0", False), (f"{OPTED_OUT}/", False)]


def test_what_is_filed_counts_from_its_publication_to_the_end_of_its_withdrawal(published: TestedPortal, key: str):
    opt_out(published, "ada-2")
    assert answers(published, key, FREE) == [(FREE, False)], "filed, not published"
    published.settle()
    assert answers(published, key, FREE) == [(FREE, True)]
    ada = published.member(ADA)
    ada.get("/photos/ada-2")
    ada.post("/photos/ada-2/put-back")
    assert answers(published, key, FREE) == [(FREE, True)], "withdrawn, and still in the list that trainers have"
    published.settle()
    assert answers(published, key, f"{FREE}\n{OPTED_OUT}") == [(FREE, False), (OPTED_OUT, True)]


def test_an_address_that_two_opt_outs_name_stays_until_the_last_of_them_ends(published: TestedPortal, key: str):
    ada = published.member(ADA)
    ada.get("/photos")
    ada.post("/opt-outs", {"everything": "1"})
    published.settle()
    assert answers(published, key, f"{FREE}\n{OPTED_OUT}") == [(FREE, True), (OPTED_OUT, True)]
    with published.workplace.writing.begin() as session:
        account = session.scalars(select(Account)).one()
        everything = session.scalars(select(RightsRequest).order_by(RightsRequest.id.desc()).limit(1)).one()
        withdraw_request(session, account, everything, now())
    published.settle()
    assert answers(published, key, f"{FREE}\n{OPTED_OUT}") == [(FREE, False), (OPTED_OUT, True)]


@pytest.mark.parametrize("scheme", ["API ", "Bearer ", "api ", ""])
def test_the_key_is_taken_as_clients_send_it(published: TestedPortal, key: str, scheme: str):
    assert ask(published, key, OPTED_OUT, headers={"Authorization": f"{scheme}{key}"}).status_code == 200


def test_without_a_good_key_there_is_no_answer(portal: TestedPortal, key: str):
    for headers in ({}, {"Authorization": ""}, {"Authorization": f"Basic {key}"}, {"Authorization": "API wrong"}):
        assert ask(portal, key, FREE, headers=headers).status_code == 401
    with portal.workplace.writing.begin() as session:
        other = tokens.create(session, "reporter", [Scope.RUNS_WRITE], now())
    assert ask(portal, other, FREE).status_code == 403


def test_more_than_fits_is_refused_with_the_limits(portal: TestedPortal, key: str):
    most = "\n".join([FREE] * MAX_URLS)
    assert len(answers(portal, key, most)) == MAX_URLS
    for body in (most + "\n" + FREE, "x" * (MAX_BYTES + 1)):
        refused = ask(portal, key, body)
        assert (refused.status_code, refused.json["detail"]) == (413, "ask for at most 10,000 addresses in 2,000,000 bytes at a time")


def test_what_is_no_text_is_refused_whatever_it_is_called(portal: TestedPortal, key: str):
    assert ask(portal, key, b"\xff\xfe").status_code == 400
    assert ask(portal, key, FREE, content_type="application/x-www-form-urlencoded").status_code == 200, "as curl sends it"
    assert ask(portal, key, FREE, content_type="multipart/form-data; boundary=x").status_code == 200


def test_spawnings_own_client_gets_its_answers(published: TestedPortal, key: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(SpawningAPI.API_KEY_ENV_VAR, key)
    monkeypatch.setattr(SpawningAPI, "SPAWNING_AI_API_URL", published.config.base_url + PATH)
    with serving(published.app, urlsplit(published.config.base_url).port or 0):
        client = SpawningAPI(chunk_size=2)
        assert client.is_allowed(urls=[FREE, OPTED_OUT, FREE]) == [True, False, True]
        assert client.filter_allowed(urls=[OPTED_OUT, FREE]) == [FREE]
        assert client.is_allowed(url=OPTED_OUT) == [False]
        monkeypatch.setattr(SpawningAPI, "SPAWNING_AI_API_URL", published.config.base_url + PATH.rstrip("/"))
        assert client.is_allowed(url=OPTED_OUT) == [False], "others ask without the last slash"


@pytest.mark.parametrize(
    ("header", "key"), [("", None), ("k", "k"), (" k ", "k"), ("API k", "k"), ("bearer  k", "k"), ("Basic k", None), ("API", "API")]
)
def test_keys_in_headers(header: str, key: str | None):
    assert key_of(header) == key


@pytest.mark.parametrize(
    ("body", "lines"),
    [("", []), ("\n", [""]), ("a", ["a"]), ("a\n", ["a"]), ("a\n\n", ["a", ""]), ("a\r\nb", ["a", "b"]), ("a\rb", ["a\rb"])],
)
def test_lines_of_bodies(body: str, lines: list[str]):
    assert lines_of(body) == lines
