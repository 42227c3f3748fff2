"""Security finding M10: another website sends its own file with its own key to /verify, and "It holds." stands on the operator's address;
and, next to it, a page that checks by its own keys without saying so.
"""

import http.server
import io
import json
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from werkzeug.test import TestResponse

from tests.support.databases import SqliteDatabases
from tests.support.portals import TestedPortal, free_port, portal_for_tests, serving
from tests.support.receipt_vectors import RECEIPTS

GOOD = (RECEIPTS / "good" / "opt_out_filed.json").read_bytes()
KEY = (RECEIPTS / "log.vkey").read_text().strip()


def post(portal: TestedPortal, headers: dict[str, str], **fields: str) -> TestResponse:
    data = {"file": (io.BytesIO(GOOD), "good.json"), **fields}
    return portal.visitor().client.post("/verify", data=data, content_type="multipart/form-data", headers=headers)


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "null", "Sec-Fetch-Site": "same-site"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "null", "Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "http://[::1"},
    ],
)
def test_another_website_cannot_have_its_file_shown_as_something_that_holds(portal: TestedPortal, headers: dict[str, str]):
    answer = post(portal, headers, log_keys=KEY)
    assert answer.status_code == 403
    assert "Another website sent this; open the page here" in answer.text
    assert "It holds." not in answer.text


@pytest.mark.parametrize(
    "headers",
    [{}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Sec-Fetch-Site": "same-origin", "Origin": "null"}],
    ids=str,
)
def test_who_checks_on_the_page_itself_reads_whose_keys_it_was(portal: TestedPortal, headers: dict[str, str]):
    answer = post(portal, headers, log_keys=KEY)
    assert "It holds." in answer.text
    assert f"Checked by keys that are not this website’s: {KEY.rpartition('+')[0]} (log)." in answer.text


@pytest.mark.parametrize("fields", [{}, {"log_keys": ""}, {"log_keys": " \n "}, {"witness_keys": ""}])
def test_without_a_key_the_page_does_not_fall_back_to_its_own(portal: TestedPortal, fields: dict[str, str]):
    answer = post(portal, {}, **fields)
    assert answer.status_code == 422
    assert "Give at least one key that you trust" in answer.text
    assert "It holds." not in answer.text


@pytest.fixture
def address(tmp_path: Path, sqlite_databases: SqliteDatabases, member_catalogues: Path) -> Iterator[str]:
    """A portal at an address of its own."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with (
        sqlite_databases.fresh() as url,
        portal_for_tests(tmp_path / "portal", url, member_catalogues, base_url=address) as portal,
        serving(portal.app, port),
    ):
        yield address


@pytest.fixture
def evil(tmp_path: Path) -> Iterator[str]:
    """Another website, of another site than an address of numbers is."""
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()


@pytest.mark.browser
def test_a_form_of_another_website_is_refused_in_a_real_browser(browser: Browser, address: str, evil: str, tmp_path: Path):
    """As the finding did it: a script puts the forged file into the form, and sends the person along with it."""
    (tmp_path / "win.html").write_text(
        f"""<form method="post" enctype="multipart/form-data" action="{address}/verify"><input type="file" name="file">
        <textarea name="log_keys">{KEY}</textarea></form><script>
        const files = new DataTransfer();
        files.items.add(new File([{json.dumps(GOOD.decode())}], "receipt.json"));
        document.querySelector("input").files = files.files;
        document.querySelector("form").submit();</script>"""
    )
    page = browser.new_page()
    with page.expect_response("**/verify") as answered:
        page.goto(f"{evil}/win.html")
    page.wait_for_load_state()
    assert (answered.value.request.method, answered.value.status) == ("POST", 403)
    assert "It holds." not in page.content()
    page.close()
