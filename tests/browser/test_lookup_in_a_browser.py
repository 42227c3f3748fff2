"""Looking pictures up in a real browser: on the device by default, uploaded only when asked for, many at once, and without scripts."""

import io
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, Request, expect

from tests.browser.conftest import Open, sign_in
from tests.support.pictures import jpeg, photo_bytes, png, textured_picture
from tests.support.portals import TestedPortal

pytestmark = pytest.mark.browser
SANDBOX_STARTS_MS = 120_000  # at the first upload, and where nothing was compiled before


def file(name: str, data: bytes) -> dict[str, Any]:
    return {"name": name, "mimeType": "", "buffer": data}


def tiff(picture: Image.Image) -> bytes:
    """Of the kinds that the server reads, the one that no Chromium does."""
    data = io.BytesIO()
    picture.save(data, "TIFF")
    return data.getvalue()


def look_up(page: Page, *files: dict[str, Any]) -> None:
    page.get_by_label("Choose pictures").set_input_files(list(files))
    page.locator("[data-start]").click()


def lookups(page: Page) -> list[Request]:
    """The questions that this page sends from now on."""
    sent: list[Request] = []
    page.on("request", lambda request: sent.append(request) if request.method == "POST" else None)
    return sent


def answer(page: Page, name: str) -> Any:
    return page.locator("ol.found > li").filter(has_text=name)


def test_only_fingerprints_leave_the_device(open_page: Open):
    page = open_page()
    page.goto("/lookup")
    expect(page.get_by_text("Your photo stays on your device: only its fingerprint is sent.")).to_be_visible()
    sent = lookups(page)
    photo = photo_bytes("ada", 0)
    look_up(page, file("one.jpg", photo), file("two.png", png(textured_picture(seed=777))))
    expect(page.get_by_role("heading", name="1 of 2 stands in a manifest")).to_be_visible(timeout=20_000)
    expect(answer(page, "one.jpg")).to_contain_text("Yes, it stands in a manifest.")
    expect(answer(page, "two.png")).to_contain_text("No, it stands in no manifest.")
    bodies = [request.post_data_buffer or b"" for request in sent]
    assert len(bodies) == 2
    assert all(b'name="fingerprint"' in body and b'name="picture"' not in body for body in bodies)
    assert not any(photo[200:300] in body for body in bodies)


def test_an_answer_on_the_device_is_the_answer_to_the_upload(open_page: Open):
    page = open_page()
    sign_in(page)
    copy = file("copy.jpg", jpeg(textured_picture(seed=3, width=900, height=675).transpose(0), quality=60))
    told = []
    for way in ("Keep my photos on this device", "Upload them instead"):
        page.goto("/lookup")
        page.get_by_label(way).check()
        look_up(page, copy)
        told.append(answer(page, "copy.jpg").locator(".facts").inner_text(timeout=SANDBOX_STARTS_MS))
    assert told[0] == told[1]
    assert "mirrored" in told[0]


def test_a_picture_that_the_browser_cannot_read_is_uploaded_only_when_asked_for(open_page: Open):
    page = open_page()
    page.goto("/lookup")
    sent = lookups(page)
    look_up(page, file("one.tif", tiff(textured_picture(seed=0))), file("two.tif", tiff(textured_picture(seed=777))))
    expect(page.get_by_text("2 pictures could not be read on this device, and were not sent.")).to_be_visible()
    assert sent == []
    answer(page, "one.tif").get_by_role("button", name="Upload this one").click()
    expect(answer(page, "one.tif")).to_contain_text("Yes, it stands in a manifest.", timeout=SANDBOX_STARTS_MS)
    expect(answer(page, "two.tif")).to_contain_text("It was not sent.")
    assert len(sent) == 1
    answer(page, "two.tif").get_by_role("button", name="Upload this one").click()
    expect(page.get_by_role("heading", name="1 of 2 stands in a manifest")).to_be_visible()


def test_what_was_found_is_opted_out_in_one_go(portal: TestedPortal, open_page: Open):
    page = open_page()
    sign_in(page)
    page.goto("/lookup")
    look_up(
        page,
        file("mine.jpg", photo_bytes("ada", 1)),
        file("also-mine.jpg", photo_bytes("ada", 2)),
        file("of-ben.jpg", photo_bytes("ben", 2)),
    )
    expect(page.get_by_text("3 ticked")).to_be_visible(timeout=20_000)
    expect(page.get_by_role("heading", name="3 of 3 stand in a manifest")).to_be_visible()
    expect(answer(page, "also-mine.jpg").get_by_role("img", name="In the manifest")).to_be_visible()
    page.get_by_role("button", name="Opt out what is ticked…").click()
    expect(page.get_by_role("heading", name="Check your opt-out")).to_be_visible()
    expect(page.get_by_text("2 photos of yours")).to_be_visible()
    page.get_by_role("button", name="Opt out").click()
    expect(page.get_by_role("heading", name="Your opt-out is filed")).to_be_visible()


def test_stopping_leaves_the_rest_unasked(open_page: Open):
    page = open_page()
    page.goto("/lookup")
    look_up(page, *(file(f"{number}.jpg", photo_bytes("ada", number)) for number in range(6)))
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("[data-going]")).to_be_hidden()
    expect(page.get_by_text("Stopped before it was looked up.").first).to_be_visible()


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_pictures_are_dropped_and_pasted(open_page: Open, way: str):
    page = open_page()
    page.goto("/lookup")
    bring(page, way, photo_bytes("ada", 0))
    expect(page.get_by_alt_text("brought.jpg")).to_be_visible()
    page.get_by_role("button", name="Look it up").click()
    expect(page.get_by_role("heading", name="Yes, it stands in a manifest.")).to_be_visible(timeout=20_000)


def bring(page: Page, way: str, data: bytes) -> None:
    """As if the picture were dragged onto the page, or pasted."""
    page.evaluate(
        """async ([way, bytes]) => {
            const carrier = new DataTransfer();
            carrier.items.add(new File([new Uint8Array(bytes)], "brought.jpg", {type: "image/jpeg"}));
            const event = way === "drop"
                ? new DragEvent("drop", {dataTransfer: carrier, bubbles: true})
                : new ClipboardEvent("paste", {clipboardData: carrier, bubbles: true});
            document.querySelector(".drop").dispatchEvent(event);
        }""",
        [way, list(data)],
    )


def test_pictures_are_looked_up_without_scripts(open_page: Open):
    page = open_page(java_script_enabled=False)
    page.goto("/lookup")
    expect(page.get_by_text("Keep my photos on this device")).to_be_hidden()
    look_up(page, file("one.jpg", photo_bytes("ada", 0)), file("two.jpg", jpeg(textured_picture(seed=777))))
    expect(page.get_by_role("heading", name="1 of 2 stand in a manifest.")).to_be_visible(timeout=SANDBOX_STARTS_MS)


@pytest.mark.parametrize("portal", [{"lookups_of_strangers": "2 per 3 seconds"}], indirect=True)
def test_who_asks_too_often_is_told_to_wait_and_then_answered(open_page: Open):
    page = open_page()
    page.goto("/lookup")
    look_up(page, *(file(f"{number}.jpg", photo_bytes("ada", number)) for number in range(4)))
    expect(page.get_by_text("Many lookups in a short time: going on in")).to_be_visible(timeout=20_000)
    expect(page.get_by_role("heading", name="4 of 4 stand in a manifest")).to_be_visible(timeout=30_000)
