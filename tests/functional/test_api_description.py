"""openapi.json is valid, complete, and what the API does."""

import re
from datetime import UTC, datetime
from typing import Any

from openapi_spec_validator import validate

from demur.similarity.fingerprint import FINGERPRINT_VERSION
from portal.api.exclusion_list import TYPES
from portal.fingerprints import MAX_VARIANTS
from rights.tokens import Scope, create
from tests.support.descriptions import DOCUMENT, as_described
from tests.support.portals import ADA, TestedPortal


def test_the_description_is_openapi():
    validate(DOCUMENT)


def test_it_names_every_endpoint_and_no_other(portal: TestedPortal):
    rules = [rule for rule in portal.app.url_map.iter_rules() if rule.endpoint.startswith(("api.", "api_v2."))]
    paths = [(re.sub(r"<(?:int(?:\(.*?\))?:)?(\w+)>", r"{\1}", rule.rule), rule.methods or set()) for rule in rules]
    served = {(path, method.lower()) for path, methods in paths for method in methods - {"HEAD", "OPTIONS"}}
    described = {
        (item.get("servers", DOCUMENT["servers"])[0]["url"] + path, method)
        for path, item in DOCUMENT["paths"].items()
        for method in item.keys() - {"servers"}
    }
    assert served == described


def test_it_says_what_fingerprints_are_compared():
    fingerprint = DOCUMENT["components"]["schemas"]["Fingerprint"]["properties"]
    assert fingerprint["version"]["const"] == FINGERPRINT_VERSION
    assert fingerprint["variants"]["maxItems"] == MAX_VARIANTS


def test_the_exclusion_list_answers_as_described(portal: TestedPortal):
    client, bearer = portal.app.test_client(), headers(portal, Scope.LIST_READ)
    as_described(client.get("/api/v1/exclusion-list/"))
    assert as_described(client.get("/api/v1/exclusion-list/head.dsse.json")).status_code == 401
    assert as_described(client.get("/api/v1/exclusion-list/head.dsse.json", headers=bearer)).status_code == 404
    opt_out_one(portal)
    assert as_described(client.get("/api/v1/exclusion-list/key")).status_code == 200
    head = as_described(client.get("/api/v1/exclusion-list/head.dsse.json", headers=bearer))
    again = client.get("/api/v1/exclusion-list/head.dsse.json", headers=bearer | {"If-None-Match": head.headers["ETag"]})
    assert as_described(again).status_code == 304
    for name in TYPES:
        as_described(client.get(f"/api/v1/exclusion-list/versions/1/{name}", headers=bearer))
    as_described(client.get("/api/v1/exclusion-list/rotations.json"))
    as_described(client.get("/api/v1/exclusion-list/versions/1/delta-from-1.parquet", headers=bearer))
    part = client.get("/api/v1/exclusion-list/versions/1/delta.parquet", headers=bearer | {"Range": "bytes=0-3"})
    assert as_described(part).status_code == 206


def test_the_deletion_vectors_answer_as_described(portal: TestedPortal):
    client, bearer = portal.app.test_client(), headers(portal, Scope.LIST_READ)
    base = "/api/v1/deletion-vectors"
    assert as_described(client.get(f"{base}/")).status_code == 401
    assert as_described(client.get(f"{base}/rotations.json")).status_code == 404
    opt_out_one(portal)
    (told,) = as_described(client.get(f"{base}/", headers=bearer)).json["manifests"]
    head = as_described(client.get(f"{base}/{told['path']}/head.dsse.json", headers=bearer))
    again = client.get(f"{base}/{told['path']}/head.dsse.json", headers=bearer | {"If-None-Match": head.headers["ETag"]})
    assert as_described(again).status_code == 304
    (name, *_) = (file.name for file in (portal.config.vectors_dir / told["path"]).glob("*.parquet"))
    assert as_described(client.get(f"{base}/{told['path']}/{name}", headers=bearer)).status_code == 200
    part = client.get(f"{base}/{told['path']}/{name}", headers=bearer | {"Range": "bytes=0-3"})
    assert as_described(part).status_code == 206
    assert as_described(client.get(f"{base}/{'0' * 64}/head.dsse.json", headers=bearer)).status_code == 404


def test_refusals_are_as_described(portal: TestedPortal):
    client, lists = portal.app.test_client(), headers(portal, Scope.LIST_READ)
    assert as_described(client.post("/api/v1/training-runs", headers=lists)).status_code == 403
    assert as_described(client.post("/api/v1/training-runs", headers=headers(portal, Scope.RUNS_WRITE))).status_code == 400
    assert as_described(client.post("/api/v1/platform-events", data=b"{}")).status_code == 403


def test_it_is_served(portal: TestedPortal):
    assert as_described(portal.app.test_client().get("/api/v1/openapi.json")).json == DOCUMENT


def headers(portal: TestedPortal, scope: Scope) -> dict[str, Any]:
    with portal.workplace.writing.begin() as session:
        return {"Authorization": f"Bearer {create(session, str(scope), [scope], datetime.now(UTC))}"}


def opt_out_one(portal: TestedPortal) -> None:
    visitor = portal.member(ADA)
    visitor.get("/photos")
    visitor.post("/opt-outs", {"uid": ["ada-1"]})
    portal.settle()
