"""Receipts as people meet them: the page that checks them, with the network off and without scripts, and the page and paper of each."""

import io
import json
import re
import zipfile
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Locator, Page, Route, expect
from sqlalchemy import select

from demur.runs import ConsumedReference, ConsumedTree
from demur.signing import SigningKey
from models import LogEntry
from tests.browser.conftest import Open, sign_in
from tests.support.portals import TestedPortal
from tests.support.receipt_vectors import RECEIPTS
from tests.support.training_runs import record

pytestmark = pytest.mark.browser

GOOD = (RECEIPTS / "good" / "opt_out_filed.json").read_bytes()
CHANGED = GOOD.replace(b'"leaf_index":0', b'"leaf_index":1')
OTHER_KEY = (RECEIPTS / "log.vkey").read_text()
ONE_PAGE = re.compile(rb"/Type\s*/Page\b")


def opt_out(page: Page, photos: int = 1) -> None:
    """As a member, from the grid to the page of the request."""
    sign_in(page)
    for number in range(photos):
        page.locator("input[name=uid]").nth(number).check()
    page.get_by_role("button", name="Opt out…").first.click()
    page.get_by_role("button", name="Opt out").click()
    expect(page.get_by_role("heading", name="Your opt-out is filed")).to_be_visible()


def public_id(portal: TestedPortal, kind: str) -> str:
    """Of the newest statement of a kind."""
    with portal.workplace.reading() as session:
        return session.scalars(select(LogEntry.public_id).where(LogEntry.kind == kind).order_by(LogEntry.id.desc()).limit(1)).one()


def ready(page: Page) -> None:
    expect(page.get_by_text("Your browser checks the files itself.")).to_be_visible()


def give(page: Page, **files: bytes) -> None:
    chosen = [{"name": f"{name}.json", "mimeType": "application/json", "buffer": data} for name, data in files.items()]
    page.locator("#file").set_input_files(chosen)


def finding(page: Page, name: str) -> Locator:
    return page.locator(".finding").filter(has_text=name)


def test_receipts_are_checked_with_the_network_off(open_page: Open):
    page = open_page()
    page.goto("/verify")
    ready(page)
    page.context.set_offline(True)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.get_by_label("Keys of the log").fill(OTHER_KEY)
    give(page, good=GOOD, changed=CHANGED)
    expect(page.get_by_role("heading", name="1 of 2 does not hold.")).to_be_focused()
    expect(finding(page, "good.json")).to_contain_text("the opt-out DM-7Q4K-92XF was filed for the photo ada-1.")
    expect(finding(page, "good.json")).to_contain_text("Does not prove That a training run obeyed it", use_inner_text=True)
    expect(finding(page, "changed.json")).to_contain_text("the inclusion proof does not lead to the signed root. ProofRefused")
    give(page, good=GOOD)
    expect(page.get_by_role("heading", name="It holds.")).to_be_visible()
    assert requests == []


def test_another_key_is_tried_on_what_was_chosen(open_page: Open):
    page = open_page()
    page.goto("/verify")
    ready(page)
    give(page, good=GOOD)
    expect(page.get_by_role("heading", name="It could not be checked.")).to_be_visible()
    expect(finding(page, "good.json")).to_contain_text("it is signed by the log op.example/opt-outs/log, whose key was not given for logs.")
    keys = page.get_by_label("Keys of the log")
    keys.fill(f"{OTHER_KEY}\n\nnothing of a key")
    keys.blur()
    expect(page.get_by_role("alert")).to_have_text(
        "One of the keys in the box “Keys of the log, which sign receipts” cannot be read: line 4, a key for a log and its receipts: "
        "a verifier key looks like name+1a2b3c4d+base64."
    )
    expect(page.get_by_role("heading", name="It could not be checked.")).to_be_hidden()
    keys.fill(OTHER_KEY)
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.get_by_role("heading", name="It holds.")).to_be_visible()
    expect(page.get_by_text("Checked by keys that are not this website’s: op.example/opt-outs/log+")).to_be_visible()
    for field in page.locator("[data-keys]").all():
        field.fill("")
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.get_by_role("alert")).to_have_text("Give at least one key that you trust: without one, nothing can be checked.")


def test_nothing_chosen_is_told(open_page: Open):
    page = open_page()
    page.goto("/verify")
    ready(page)
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.get_by_role("alert")).to_have_text("Choose a file first.")
    expect(page.get_by_role("alert")).to_be_focused()


def test_a_receipt_is_dropped_anywhere_on_the_page(open_page: Open):
    page = open_page()
    page.goto("/verify")
    ready(page)
    page.get_by_label("Keys of the log").fill(OTHER_KEY)
    page.evaluate(
        """(bytes) => {
            const carrier = new DataTransfer();
            carrier.items.add(new File([new Uint8Array(bytes)], "dropped.json"));
            document.querySelector("h1").dispatchEvent(new DragEvent("drop", { dataTransfer: carrier, bubbles: true }));
        }""",
        list(GOOD),
    )
    expect(page.get_by_role("heading", name="It holds.")).to_be_visible()
    expect(finding(page, "dropped.json")).to_be_visible()


@pytest.mark.parametrize("way", ["without-scripts", "without-ed25519"])
def test_the_server_says_the_same_where_the_browser_cannot_check(open_page: Open, way: str):
    page = open_page(java_script_enabled=way != "without-scripts")
    page.add_init_script("crypto.subtle.importKey = () => Promise.reject(new DOMException('unknown', 'NotSupportedError'));")
    page.goto("/verify")
    here = "This browser runs no scripts" if way == "without-scripts" else "This browser cannot check signatures of the kind Ed25519"
    expect(page.get_by_text(here)).to_be_visible()
    expect(page.get_by_text("Your browser checks the files itself.")).to_be_hidden()
    page.get_by_label("Keys of the log").fill(OTHER_KEY)
    give(page, good=GOOD, changed=CHANGED)
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.get_by_role("heading", name="1 of 2 does not hold.")).to_be_visible()
    told = page.locator("[data-groups]").inner_text()

    other = open_page()
    other.goto("/verify")
    ready(other)
    other.get_by_label("Keys of the log").fill(OTHER_KEY)
    give(other, good=GOOD, changed=CHANGED)
    expect(other.get_by_role("heading", name="1 of 2 does not hold.")).to_be_visible()
    assert other.locator("[data-groups]").inner_text() == told


def test_from_the_request_over_the_receipt_to_its_check(portal: TestedPortal, open_page: Open):
    page = open_page()
    opt_out(page, photos=2)
    expect(page.get_by_role("heading", name="Your receipt")).to_be_visible()
    portal.settle()
    page.get_by_role("link", name="In the exclusion list", exact=True).click(timeout=10_000)
    expect(page.get_by_role("heading", name="In the exclusion list")).to_be_visible()
    expect(page.get_by_text(re.compile("^DM-"))).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the receipt").click()
    assert re.fullmatch(r"receipt-DM-[\w-]+-opt_out_listed\.json", download.value.suggested_filename)
    page.get_by_role("link", name="Check it in your browser").click()
    expect(page.get_by_role("heading", name="It holds.")).to_be_visible()
    expect(page.locator(".finding")).to_contain_text("excludes what the opt-out")

    page.context.set_offline(True)
    data = Path(download.value.path()).read_bytes()
    give(page, kept=data, changed=data.replace(b'"format":"demur-receipt/1"', b'"format":"demur-receipt/2"'))
    expect(page.get_by_role("heading", name="1 of 2 does not hold.")).to_be_visible()


def test_a_receipt_waits_for_the_log(portal: TestedPortal, open_page: Open):
    """Its page, and the page that checks it, ask again until the log holds it."""
    page = open_page(expected="status of (404|503) ")
    opt_out(page)
    filed = public_id(portal, "opt_out_filed")
    page.goto(f"/receipts/{filed}")
    expect(page.get_by_text("The transparency log does not hold it yet.")).to_be_visible()
    checking = open_page(expected="status of 503 ")
    with checking.expect_response(lambda answer: answer.status == 503):
        checking.goto(f"/verify?receipt={filed}")
    portal.settle()
    expect(page.get_by_role("link", name="Download the receipt")).to_be_visible(timeout=10_000)
    expect(checking.get_by_role("heading", name="It holds.")).to_be_visible(timeout=10_000)


@pytest.mark.parametrize("policy", [None, "no-referrer"], ids=["as-served", "behind-a-proxy-that-hides-addresses"])
def test_a_member_signs_out_on_a_receipt(portal: TestedPortal, open_page: Open, policy: str | None):
    page = open_page()
    opt_out(page)
    address = f"/receipts/{public_id(portal, 'opt_out_filed')}"
    if policy:
        page.route(f"**{address}", lambda route: serve_with(route, {"referrer-policy": policy}))
    page.goto(address)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign in").first).to_be_visible()
    expect(page.get_by_role("button", name="Sign out")).to_have_count(0)


def serve_with(route: Route, headers: dict[str, str]) -> None:
    answer = route.fetch()
    route.fulfill(response=answer, headers=answer.headers | headers)


@pytest.mark.parametrize("scripts", [True, False], ids=["with-scripts", "without-scripts"])
def test_a_link_that_leads_to_no_receipt_says_so(open_page: Open, scripts: bool):
    page = open_page(java_script_enabled=scripts)
    page.goto("/verify?receipt=nothing")
    if scripts:
        expect(page.get_by_role("alert")).to_have_text("There is no such receipt: the link may be mistyped.")
    else:
        page.get_by_role("button", name="Check", exact=True).click()
        expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()


def test_the_receipt_of_a_link_is_checked_without_scripts(portal: TestedPortal, open_page: Open):
    portal.record_run("Run 1", ["ada-0"])
    portal.settle()
    page = open_page(java_script_enabled=False)
    page.goto(f"/verify?receipt={public_id(portal, 'run_recorded')}")
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.get_by_role("heading", name="It holds.")).to_be_visible()
    expect(page.locator(".finding")).to_contain_text("of the run Run 1 (Run 1-id) was verified; it obeyed no exclusion list.")


def test_a_bundle_of_evidence_is_checked_with_the_network_off(portal: TestedPortal, open_page: Open):
    page = open_page()
    opt_out(page)
    portal.settle()
    portal.record_run("Run 1", ["ada-1", "ada-2"])
    portal.settle()
    bundle = page.request.get("/evidence/bundle.zip").body()
    with zipfile.ZipFile(BytesIO(bundle)) as archive:
        files = [name for name in archive.namelist() if name not in ("README.txt", "keys.txt", "photos.json")]
        broken = BytesIO()
        with zipfile.ZipFile(broken, "w") as copy:
            for name in files:
                data = archive.read(name)
                copy.writestr(name, data.replace(b'"leaf_index":', b'"leaf_index":1') if name.startswith("receipts/") else data)
    page.goto("/verify")
    ready(page)
    page.context.set_offline(True)
    page.locator("#file").set_input_files({"name": "evidence.zip", "mimeType": "application/zip", "buffer": bundle})
    expect(page.get_by_role("heading", name=f"All {len(files)} hold.")).to_be_visible()
    expect(page.locator("[data-lines]")).to_contain_text("1 photo is excluded now (version 1, which Run 1 obeyed).")
    expect(page.locator("[data-lines]")).to_contain_text("Run 1 used 2 photos and did not use")
    assert page.locator(".finding, .names li").count() == len(files)
    assert page.locator(".group > details > summary > h3").count() == page.locator(".group").count() > 2
    assert page.locator(".group > details[open]").count() == 0, "many findings are folded"
    expect(page.get_by_text("Captions are the bundle’s own; nobody signed them.")).to_be_visible()
    page.locator("#file").set_input_files({"name": "broken.zip", "mimeType": "application/zip", "buffer": broken.getvalue()})
    receipts = sum(name.startswith("receipts/") for name in files)
    assert receipts > 1
    expect(page.get_by_role("heading", name=f"{receipts} of {len(files)} do not hold.")).to_be_visible()
    opened = page.locator(".group > details[open]")
    expect(opened).to_have_count(1)
    expect(opened.get_by_role("heading", level=3)).to_have_text(f"Does not hold · {receipts}")
    for cut in (bundle[:-30], bundle[:200], bundle[:-10] + bytes(10)):
        page.locator("#file").set_input_files({"name": "cut.zip", "mimeType": "application/zip", "buffer": cut})
        expect(page.get_by_role("heading", name="It could not be checked.")).to_be_visible()
        expect(page.locator(".finding")).to_contain_text("it is not a whole zip file, or larger than a browser unpacks.")


@pytest.mark.parametrize("scripts", [True, False], ids=["with-scripts", "without-scripts"])
def test_a_name_that_is_spelled_like_a_time_is_shown_as_it_is(open_page: Open, scripts: bool):
    page = open_page(java_script_enabled=scripts)
    page.goto("/verify")
    if scripts:
        ready(page)
    page.get_by_label("Keys of the log").fill(OTHER_KEY)
    name = "published 2026-11-21T12:00:00Z.json"
    page.locator("#file").set_input_files(
        [{"name": name, "mimeType": "application/json", "buffer": data} for data in (GOOD, CHANGED, b"published 2026-11-21T12:00:00Z")]
    )
    if not scripts:
        page.get_by_role("button", name="Check", exact=True).click()
    expect(page.locator(".finding [data-file]")).to_have_text([name] * 3)
    expect(page.locator(".finding [data-label]").filter(has_text=name)).to_have_count(2)
    assert page.locator(".finding time").count() == page.locator(".finding [data-proves] time").count() > 0


def test_no_name_is_wider_than_a_telephone(open_page: Open, tmp_path: Path):
    """Of a run, a photo, and whoever signed."""
    run, photo, key = "r" * 200, "p" * 200, SigningKey.generate("k" * 200)
    root = ConsumedTree.write(tmp_path / "consumed.bin", [photo], run)
    signed = record(run_id=run, name=run, consumed=ConsumedReference(root, 1)).sign(key)
    proof = ConsumedTree.open(tmp_path / "consumed.bin").proof(photo).to_json().encode()
    page = open_page(viewport={"width": 390, "height": 800})
    page.goto("/verify")
    ready(page)
    page.get_by_label("Keys of those who sign run records").fill(str(key.verifier))
    for files in ({"record": signed, "proof": proof}, {"record": signed} | {f"proof-{number}": proof for number in range(4)}):
        give(page, **files)
        expect(page.get_by_role("heading", name=f"All {len(files)} hold.")).to_be_visible()
        page.locator(".group details").evaluate_all("all => all.forEach((one) => (one.open = true))")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_receipt_is_one_sheet_of_paper_and_its_code_leads_to_its_check(portal: TestedPortal, open_page: Open):
    page = open_page()
    opt_out(page, photos=3)
    portal.settle()
    portal.record_run("Run 1", ["ada-5"])
    portal.settle()
    for kind in ("opt_out_filed", "opt_out_listed", "list_published", "run_recorded"):
        address = public_id(portal, kind)
        page.goto(f"/receipts/{address}")
        assert len(ONE_PAGE.findall(page.pdf(format="A4"))) == 1, kind
        page.emulate_media(media="print")
        assert read_code(page.locator(".qr svg")) == f"{portal.config.base_url}/verify?receipt={address}"
        expect(page.get_by_text(f"Or in a browser: {portal.config.base_url}/verify?receipt={address}")).to_be_visible()
        expect(page.get_by_role("button", name="Print")).to_be_hidden()
        page.emulate_media(media="null")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_code_is_read_from_a_screen(portal: TestedPortal, open_page: Open, scheme: str):
    portal.record_run("Run 1", ["ada-5"])
    portal.settle()
    page = open_page(color_scheme=scheme, viewport={"width": 390, "height": 800})
    address = public_id(portal, "run_recorded")
    page.goto(f"/receipts/{address}")
    assert read_code(page.locator(".qr svg")) == f"{portal.config.base_url}/verify?receipt={address}"


def read_code(drawn: Locator) -> str:
    """As a camera would."""
    picture = cv2.imdecode(np.frombuffer(drawn.screenshot(), np.uint8), cv2.IMREAD_GRAYSCALE)
    text, _, _ = cv2.QRCodeDetectorAruco().detectAndDecode(cv2.resize(picture, None, fx=4, fy=4, interpolation=cv2.INTER_NEAREST))
    return text


def test_many_photos_are_counted_and_unfolded(portal: TestedPortal, open_page: Open):
    page = open_page()
    sign_in(page)
    page.goto("/photos")
    opted_out = 6  # all of them
    page.get_by_role("button", name=f"Select all {opted_out}").click()
    page.get_by_role("button", name="Opt out…").first.click()
    page.get_by_role("button", name="Opt out").click()
    portal.settle()
    page.goto(f"/receipts/{public_id(portal, 'opt_out_filed')}")
    expect(page.get_by_text("6 photos", exact=True)).to_be_visible()
    for number in range(opted_out):
        expect(page.get_by_text(f"ada-{number}", exact=True)).to_be_visible()


def test_the_print_button_prints(portal: TestedPortal, open_page: Open):
    portal.record_run("Run 1", ["ada-5"])
    portal.settle()
    page = open_page()
    page.add_init_script("window.printed = 0; window.print = () => (window.printed += 1);")
    page.goto(f"/receipts/{public_id(portal, 'run_recorded')}")
    page.get_by_role("button", name="Print").click()
    assert page.evaluate("window.printed") == 1
    plain = open_page(java_script_enabled=False)
    plain.goto(page.url)
    expect(plain.get_by_role("button", name="Print")).to_be_hidden()


def test_the_pages_say_nothing_to_others(portal: TestedPortal, open_page: Open):
    portal.record_run("Run 1", ["ada-5"])
    portal.settle()
    page = open_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"/receipts/{public_id(portal, 'run_recorded')}")
    page.get_by_role("link", name="Check it in your browser").click()
    expect(page.get_by_role("heading", name="It holds.")).to_be_visible()
    assert all(url.startswith(portal.config.base_url) for url in asked)
    assert json.dumps(page.context.cookies()) == "[]"


ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")


def test_sentences_give_times_in_words_with_the_readers_own_hour(portal: TestedPortal, open_page: Open):
    page = open_page(timezone_id="Asia/Kolkata")
    opt_out(page)
    portal.settle()
    page.goto(f"/receipts/{public_id(portal, 'opt_out_listed')}")
    said = page.locator(".proven dd").first
    expect(said).to_contain_text(re.compile(r"The operator stated on \d+ \w+ \d{4}, \d\d:\d\d UTC \(.+ your time\) that version 1"))
    words, exact = said.inner_text(), said.locator("time").first.get_attribute("datetime")
    assert not ISO.search(page.locator("main").inner_text())
    page.get_by_role("link", name="Check it in your browser").click()
    expect(page.get_by_role("heading", name="It holds.")).to_be_visible()
    checked = page.locator(".finding [data-proves]")
    expect(checked).to_have_text(words)
    assert ISO.search(checked.locator("time").first.get_attribute("datetime"))[0] == ISO.search(exact)[0]
    plain = open_page(java_script_enabled=False)
    plain.goto(page.url)
    plain.get_by_role("button", name="Check", exact=True).click()
    expect(plain.locator(".finding")).to_contain_text(re.compile(r"stated on \d+ \w+ \d{4}, \d\d:\d\d UTC that"))
    assert not ISO.search(plain.locator("main").inner_text())


def without(name: str, bundle: bytes) -> bytes:
    """A bundle without one of its files: photos.json, say, which has captions of its own."""
    less = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(bundle)) as whole, zipfile.ZipFile(less, "w") as written:
        for each in whole.namelist():
            if not each.endswith(name):
                written.writestr(each, whole.read(each))
    return less.getvalue()


@pytest.mark.parametrize("scripts", [True, False], ids=["with-scripts", "without-scripts"])
def test_a_member_reads_the_captions_of_their_own_photos_and_others_the_ids(portal: TestedPortal, open_page: Open, scripts: bool):
    page = open_page(java_script_enabled=scripts)
    opt_out(page)
    portal.settle()
    portal.record_run("Run 1", ["ada-1", "ada-2"])
    portal.settle()
    page.goto("/photos/ada-1")
    caption = page.get_by_role("heading", level=1).inner_text()
    bundle = without("photos.json", page.request.get("/evidence/bundle.zip").body())
    stranger = open_page(java_script_enabled=scripts)
    for reader, named in ((page, True), (stranger, False)):
        reader.goto("/verify")
        if scripts:
            ready(reader)
        reader.locator("#file").set_input_files({"name": "evidence.zip", "mimeType": "application/zip", "buffer": bundle})
        if not scripts:
            reader.get_by_role("button", name="Check", exact=True).click()
        expect(reader.get_by_role("heading", name=re.compile(r"All \d+ hold\."))).to_be_visible()
        about = reader.locator(".finding, .names li").filter(has_text="ada-1").first
        assert (f"ada-1 “{caption}”" in " ".join(about.text_content().split())) is named
