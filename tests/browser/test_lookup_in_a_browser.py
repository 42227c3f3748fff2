"""Looking pictures up in a real browser: on the device by default, uploaded only when asked for, many at once, and without scripts."""

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, Request, expect

from tests.browser.conftest import Open, sign_in
from tests.browser.test_accessibility import check
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
    expect(page.get_by_text("Your photo stays on your device.")).to_be_visible()
    expect(page.get_by_text("Of what is sent we keep nothing, unless you object")).to_be_visible()
    sent = lookups(page)
    photo = photo_bytes("ada", 0)
    look_up(page, file("one.jpg", photo), file("two.png", png(textured_picture(seed=777))))
    expect(page.get_by_role("heading", name="1 of 2 found in a training list")).to_be_visible(timeout=20_000)
    expect(answer(page, "one.jpg")).to_contain_text("Yes, it is in a training list.")
    expect(answer(page, "two.png")).to_contain_text("We found no match.")
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
    expect(page.get_by_role("heading", name="None could be looked up.")).to_be_visible()
    expect(page.locator("[data-status]")).to_have_text("Done. None could be looked up.")
    assert sent == []
    answer(page, "one.tif").get_by_role("button", name="Upload this one").click()
    expect(answer(page, "one.tif")).to_contain_text("Yes, it is in a training list.", timeout=SANDBOX_STARTS_MS)
    expect(answer(page, "two.tif")).to_contain_text("It was not sent.")
    expect(page.get_by_role("heading", name="1 of 1 found in a training list, 1 could not be read.")).to_be_visible()
    assert len(sent) == 1
    answer(page, "two.tif").get_by_role("button", name="Upload this one (two.tif)").click()
    expect(page.get_by_role("heading", name="1 of 2 found in a training list")).to_be_visible()


def test_what_no_upload_would_take_is_not_offered_for_one(open_page: Open):
    page = open_page()
    page.goto("/lookup")
    sent = lookups(page)
    small = tiff(textured_picture(seed=0))
    vast = png(Image.new("L", (20_000, 16)))
    vast = vast[:20] + (20_000).to_bytes(4, "big") + vast[24:]
    look_up(page, file("heavy.tif", small + bytes(30_000_000 - len(small))), file("vast.png", vast))
    expect(answer(page, "heavy.tif")).to_contain_text("This file is too large to upload: at most 25 MB.")
    expect(answer(page, "vast.png")).to_contain_text("This picture has more than 89 million pixels; please choose a smaller copy.")
    expect(page.get_by_role("button", name="Upload this one")).to_have_count(0)
    expect(page.get_by_text("We can read it for you")).to_have_count(0)
    assert sent == []


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
    expect(page.get_by_role("heading", name="3 of 3 found in a training list")).to_be_visible(timeout=20_000)
    expect(page.get_by_text("2 ticked")).to_be_visible()
    page.get_by_label("Object to this picture wherever it turns up (of-ben.jpg)").check()
    expect(answer(page, "also-mine.jpg").get_by_role("img", name="In the training list")).to_be_visible()
    page.get_by_role("button", name="Opt out what is ticked…").click()
    expect(page.get_by_role("heading", name="Check your opt-out")).to_be_visible()
    expect(page.get_by_text("2 photos of yours")).to_be_visible()
    expect(page.get_by_text("of-ben.jpg")).to_be_visible()
    page.get_by_role("button", name="Opt out").click()
    expect(page.get_by_label("This picture is mine, or shows me")).to_be_focused()
    page.get_by_label("This picture is mine, or shows me").check()
    page.get_by_role("button", name="Opt out").click()
    expect(page.get_by_role("heading", name="Your opt-out is filed")).to_be_visible()


def test_stopping_leaves_the_rest_unasked(open_page: Open):
    page = open_page()
    page.goto("/lookup")
    sent = lookups(page)
    hold_lookups(page)
    look_up(page, *(file(f"{number}.jpg", photo_bytes("ada", number)) for number in range(6)))
    expect(page.locator("[data-going]")).to_be_visible()
    wait_for(page, lambda: len(sent) == 3)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("[data-going]")).to_be_hidden()
    expect(page.get_by_text("Stopped; it may have been sent.")).to_have_count(3)
    expect(page.get_by_text("Stopped before it was looked up.")).to_have_count(3)
    expect(page.locator("[data-status]")).to_have_text("Stopped. None could be looked up.")
    page.wait_for_timeout(1000)
    assert len(sent) == 3

    page.unroute("**/lookup")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="6 of 6 found in a training list")).to_be_visible(timeout=20_000)


def hold_lookups(page: Page) -> None:
    """Questions are sent from now on, and reach nobody."""
    page.route("**/lookup", lambda _: None)


def wait_for(page: Page, holds: Callable[[], bool]) -> None:
    for _ in range(200):
        if holds():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it did not come to that")


def test_what_had_no_answer_is_tried_again_at_one_click(open_page: Open):
    page = open_page(expected="ERR_INTERNET_DISCONNECTED")
    page.goto("/lookup")
    page.route("**/lookup", lambda route: route.abort("internetdisconnected"))
    look_up(page, *(file(f"{number}.jpg", photo_bytes("ada", number)) for number in range(4)))
    expect(page.get_by_text("4 pictures were not looked up.")).to_be_visible(timeout=20_000)
    expect(page.get_by_role("heading", name="None could be looked up.")).to_be_visible()
    page.unroute("**/lookup")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="4 of 4 found in a training list")).to_be_visible(timeout=20_000)


def test_a_busy_server_is_asked_three_times_and_then_quoted(open_page: Open):
    page = open_page(expected="status of 503 ")
    page.goto("/lookup")
    sent = lookups(page)
    fault = "<main><h1>Looking up is not possible right now</h1><p class='lede'>Part of what we would search is missing.</p></main>"
    page.route("**/lookup", lambda route: route.fulfill(status=503, headers={"Retry-After": "1"}, content_type="text/html", body=fault))
    look_up(page, file("one.jpg", photo_bytes("ada", 0)))
    expect(page.get_by_text("We are busy for a moment: trying again in 1 second.")).to_be_visible(timeout=20_000)
    expect(answer(page, "one.jpg")).to_contain_text("Looking up is not possible right now. Part of what we would search is missing.")
    assert len(sent) == 3


def test_a_long_wait_is_told_in_minutes(open_page: Open):
    page = open_page()
    page.goto("/lookup")
    page.route("**/lookup", lambda route: route.fulfill(status=429, headers={"Retry-After": "1500"}, body=""))
    look_up(page, file("one.jpg", photo_bytes("ada", 0)))
    expect(page.get_by_text("Many lookups in a short time: going on in 25 minutes.")).to_be_visible(timeout=20_000)


def test_what_was_chosen_is_removed_and_what_is_no_picture_is_named(open_page: Open):
    page = open_page()
    page.goto("/lookup")
    files = [file("one.jpg", photo_bytes("ada", 0)), file("two.jpg", photo_bytes("ada", 1)), file("notes.txt", b"words")]
    page.get_by_label("Choose pictures").set_input_files(files)
    expect(page.get_by_text("1 file is no picture and was left out.")).to_be_visible()
    page.get_by_role("button", name="Remove one.jpg").click()
    expect(page.get_by_role("button", name="Remove two.jpg")).to_be_focused()
    expect(page.get_by_text("one.jpg was removed. Ready: two.jpg")).to_be_visible()
    page.get_by_role("button", name="Look it up").click()
    expect(page.get_by_role("heading", name="Yes, it is in a training list.")).to_be_visible(timeout=20_000)
    assert page.locator("ol.found > li").count() == 1


def test_no_thumbnail_keeps_its_file_in_memory(open_page: Open):
    page = open_page()
    page.add_init_script(
        """window.open_urls = new Set();
        const [make, revoke] = [URL.createObjectURL, URL.revokeObjectURL];
        URL.createObjectURL = (file) => { const url = make.call(URL, file); open_urls.add(url); return url; };
        URL.revokeObjectURL = (url) => { open_urls.delete(url); revoke.call(URL, url); };"""
    )
    page.goto("/lookup")
    page.get_by_label("Choose pictures").set_input_files([file("one.jpg", photo_bytes("ada", 0)), file("two.heic", b"no picture")])
    page.wait_for_function("open_urls.size === 0 && document.querySelector('[alt=\"one.jpg\"]').naturalWidth > 0")


def test_no_more_pictures_are_ticked_than_a_request_takes(open_page: Open):
    page = open_page()
    sign_in(page)
    page.goto("/lookup")
    page.evaluate("document.querySelector('[data-lookup]').dataset.mostPictures = 1")
    look_up(page, *(file(f"{seed}.png", png(textured_picture(seed=seed))) for seed in (777, 778)))
    expect(page.get_by_role("heading", name="0 of 2 found in a training list")).to_be_visible(timeout=20_000)
    page.get_by_role("button", name="Opt out what is ticked…").click()
    expect(page.get_by_role("alert")).to_have_text("Tick at least one first.")
    page.get_by_label("Object to this picture").first.check()
    page.get_by_label("Object to this picture").last.click()
    expect(page.get_by_role("alert")).to_have_text("At most 1 picture at a time. Opt these out first, then the others.")
    expect(page.get_by_text("1 ticked")).to_be_visible()


def test_the_check_page_leads_back_to_the_answers(open_page: Open):
    page = open_page()
    sign_in(page)
    page.goto("/lookup")
    look_up(page, file("mine.jpg", photo_bytes("ada", 1)))
    expect(page.get_by_text("1 ticked")).to_be_visible(timeout=20_000)
    assert "no-store" not in str(page.evaluate("fetch('/lookup').then(answer => answer.headers.get('Cache-Control'))"))
    page.get_by_role("button", name="Opt out what is ticked…").click()
    page.get_by_role("link", name="Change what I chose").click()
    expect(page.get_by_role("heading", name="Look up your pictures")).to_be_visible()
    assert page.evaluate("performance.getEntriesByType('navigation')[0].type") == "back_forward"


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_pictures_are_dropped_and_pasted(open_page: Open, way: str):
    page = open_page()
    page.goto("/lookup")
    bring(page, way, photo_bytes("ada", 0))
    expect(page.get_by_alt_text("brought.jpg")).to_be_visible()
    page.get_by_role("button", name="Look it up").click()
    expect(page.get_by_role("heading", name="Yes, it is in a training list.")).to_be_visible(timeout=20_000)


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
    expect(page.get_by_text("up to 10 pictures, 25 MB together")).to_be_visible()
    look_up(page, file("one.jpg", photo_bytes("ada", 0)), file("two.jpg", jpeg(textured_picture(seed=777))))
    expect(page.get_by_role("heading", name="1 of 2 found in a training list.")).to_be_visible(timeout=SANDBOX_STARTS_MS)


@pytest.mark.parametrize("portal", [{"lookups_of_strangers": "2 per 3 seconds"}], indirect=True)
def test_who_asks_too_often_is_told_to_wait_and_then_answered(open_page: Open):
    page = open_page()
    page.goto("/lookup")
    look_up(page, *(file(f"{number}.jpg", photo_bytes("ada", number)) for number in range(6)))
    expect(page.get_by_text("Many lookups in a short time: going on in")).to_be_visible(timeout=20_000)
    expect(page.get_by_role("heading", name="6 of 6 found in a training list")).to_be_visible(timeout=30_000)


def test_a_screenshot_is_found_once_it_is_cropped_to_its_picture(open_page: Open):
    page = open_page(viewport={"width": 390, "height": 844})
    page.goto("/lookup")
    sent = lookups(page)
    screen = textured_picture(seed=777, width=390, height=844)
    screen.paste(Image.open(io.BytesIO(photo_bytes("ada", 0))).resize((390, 292)), (0, 300))
    look_up(page, file("screen.png", png(screen)))
    expect(page.get_by_role("heading", name="We found no match.")).to_be_visible(timeout=20_000)
    page.get_by_text("Crop it and look again").click()
    page.get_by_label("Bottom edge").fill("592")
    page.get_by_label("Top edge").fill("300")
    page.get_by_role("button", name="Use this part").click()
    expect(answer(page, "part of screen.png")).to_contain_text("Yes, it is in a training list.", timeout=20_000)
    assert all(b'name="picture"' not in (request.post_data_buffer or b"") for request in sent)


# --- the crop tool ---


def screenshot_of(picture: bytes, size: tuple[int, int], box: tuple[int, int, int, int]) -> bytes:
    """A screen of this size, otherwise unlike anything, that shows the picture at left, top, right, bottom."""
    screen = textured_picture(seed=777, width=size[0], height=size[1])
    left, top, right, bottom = box
    screen.paste(Image.open(io.BytesIO(picture)).resize((right - left, bottom - top)), (left, top))
    return png(screen)


PLACE = (0, 300, 390, 592)


def crop_tool(page: Page, data: bytes, name: str = "screen.png") -> Locator:
    """Looks a picture up that is not found, and opens the tool."""
    look_up(page, file(name, data))
    tool = answer(page, name).locator("details.crop")
    tool.get_by_text("Crop it and look again").click(timeout=20_000)
    expect(tool.locator("[data-size]")).to_contain_text("pixels")
    return tool


def on_screen(tool: Locator, x: float, y: float) -> tuple[float, float]:
    """Where a pixel of the picture is in the window."""
    box, (width, height) = tool.locator("img").bounding_box(), natural_size(tool)
    assert box
    return box["x"] + x / width * box["width"], box["y"] + y / height * box["height"]


def natural_size(tool: Locator) -> tuple[int, int]:
    return tuple(tool.locator("img").evaluate("image => [image.naturalWidth, image.naturalHeight]"))


def edges(tool: Locator) -> list[int]:
    return [int(tool.get_by_label(f"{edge} edge").input_value()) for edge in ("Left", "Top", "Right", "Bottom")]


def looked_up_again(page: Page, tool: Locator) -> None:
    tool.get_by_role("button", name="Use this part").click()
    expect(answer(page, "part of screen.png")).to_contain_text("in a training list.", timeout=20_000)


@pytest.mark.parametrize("who", ["a stranger", "a member"])
def test_a_screenshot_is_cropped_by_mouse(open_page: Open, who: str):
    page = open_page()
    if who == "a member":
        sign_in(page)
    page.goto("/lookup")
    tool = crop_tool(page, screenshot_of(photo_bytes("ada", 0), (390, 844), PLACE))
    tool.locator(".stage").scroll_into_view_if_needed()
    page.mouse.move(*on_screen(tool, *PLACE[:2]))
    page.mouse.down()
    page.mouse.move(*on_screen(tool, 200, 400))
    page.mouse.move(*on_screen(tool, *PLACE[2:]))
    page.mouse.up()
    assert edges(tool) == pytest.approx(PLACE, abs=2)
    looked_up_again(page, tool)
    words = "Yes, it is your photo in a training list." if who == "a member" else "Yes, it is in a training list."
    expect(answer(page, "part of screen.png")).to_contain_text(words)


def test_a_corner_is_dragged_by_a_finger(open_page: Open):
    page = open_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page.goto("/lookup")
    tool = crop_tool(page, screenshot_of(photo_bytes("ada", 0), (390, 844), PLACE))
    tool.locator(".stage").scroll_into_view_if_needed()
    for corner, (x, y) in ((0, PLACE[:2]), (3, PLACE[2:])):
        box = tool.locator(f"[data-corner='{corner}']").bounding_box()
        finger(page, (box["x"] + 20, box["y"] + 20), on_screen(tool, x, y))
    assert edges(tool) == pytest.approx(PLACE, abs=2)
    looked_up_again(page, tool)


def test_a_finger_elsewhere_scrolls_and_a_tap_names_a_corner(open_page: Open):
    page = open_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page.goto("/lookup")
    tool = crop_tool(page, screenshot_of(photo_bytes("ada", 0), (390, 844), PLACE))
    tool.locator(".stage").scroll_into_view_if_needed()
    whole, before = edges(tool), page.evaluate("scrollY")
    finger(page, on_screen(tool, 200, 500), on_screen(tool, 200, 300))
    assert edges(tool) == whole
    assert page.evaluate("scrollY") > before
    page.touchscreen.tap(*on_screen(tool, 380, 585))
    expect(tool.get_by_text("Now point at the opposite corner.")).to_be_visible()
    page.touchscreen.tap(*on_screen(tool, 10, 307))
    assert edges(tool) == pytest.approx((10, 307, 380, 585), abs=4)  # a browser moves a tap a little
    looked_up_again(page, tool)


def finger(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Touches, moves in steps, and lets go, as Chromium's own input."""
    touch = page.context.new_cdp_session(page)
    steps = [tuple(a + (b - a) * step / 10 for a, b in zip(start, end, strict=True)) for step in range(1, 11)]
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": start[0], "y": start[1]}]})
    for x, y in steps:
        touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x, "y": y}]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_timeout(300)  # a page goes on scrolling for a moment


def test_a_screenshot_is_cropped_by_keyboard_alone(open_page: Open):
    page = open_page()
    page.goto("/lookup")
    look_up(page, file("screen.png", screenshot_of(photo_bytes("ada", 0), (400, 800), (0, 280, 400, 580))))
    summary = answer(page, "screen.png").locator("details.crop > summary")
    summary.focus(timeout=20_000)
    page.keyboard.press("Enter")
    tool = answer(page, "screen.png").locator("details.crop")
    expect(tool.locator("[data-size]")).to_contain_text("pixels")
    walk = ["Tab", "Tab", "Tab", *["PageUp"] * 7, "Tab", "Tab", *["PageDown"] * 5, *["ArrowDown"] * 20]
    for key in walk:  # over the picture to the left edge and the top one, and over the right one to the bottom
        page.keyboard.press(key)
    assert edges(tool) == [0, 280, 400, 580]
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(answer(page, "part of screen.png")).to_contain_text("Yes, it is in a training list.", timeout=20_000)


def test_a_very_tall_screenshot_keeps_its_shape_and_scrolls(open_page: Open):
    place = (40, 6000, 1040, 6750)
    page = open_page(viewport={"width": 390, "height": 844})
    page.goto("/lookup")
    tool = crop_tool(page, screenshot_of(photo_bytes("ada", 0), (1080, 12000), place))
    shown, stage = tool.locator("img").bounding_box(), tool.locator(".stage")
    assert shown["height"] / shown["width"] == pytest.approx(12000 / 1080, rel=0.01)
    assert shown["width"] >= 240
    assert stage.bounding_box()["height"] <= 0.7 * 844 + 1
    stage.evaluate("stage => stage.scrollTop = stage.scrollHeight / 2 - 100")
    stage.scroll_into_view_if_needed()
    page.mouse.click(*on_screen(tool, *place[:2]))
    page.mouse.click(*on_screen(tool, *place[2:]))
    assert edges(tool) == pytest.approx(place, abs=4)
    looked_up_again(page, tool)


def test_dragging_at_the_rim_scrolls_a_tall_screenshot(open_page: Open):
    page = open_page(viewport={"width": 390, "height": 844})
    page.goto("/lookup")
    tool = crop_tool(page, screenshot_of(photo_bytes("ada", 0), (1080, 12000), (40, 6000, 1040, 6750)))
    stage = tool.locator(".stage")
    stage.scroll_into_view_if_needed()
    box, rim = tool.locator("[data-corner='0']").bounding_box(), stage.bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 30, rim["y"] + rim["height"] - 5, steps=5)
    expect(tool.get_by_label("Top edge")).not_to_have_value(re.compile(r"^.{1,3}$"), timeout=10_000)
    wait_for(page, lambda: edges(tool)[1] > 4000)
    page.mouse.up()


def test_a_wide_picture_and_a_turned_one_are_cut_where_they_are_framed(open_page: Open):
    """The edges are those of the picture as it is shown, whatever EXIF says of how it is stored."""
    page = open_page()
    page.goto("/lookup")
    wide = crop_tool(page, screenshot_of(photo_bytes("ada", 0), (4000, 400), (2000, 25, 2400, 325)), "wide.png")
    shown = wide.locator("img").bounding_box()
    assert shown["width"] / shown["height"] == pytest.approx(10, rel=0.01)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    upright = Image.open(io.BytesIO(screenshot_of(photo_bytes("ada", 0), (390, 844), PLACE)))
    exif = Image.Exif()
    exif[0x0112] = 6
    data = io.BytesIO()
    upright.transpose(Image.Transpose.ROTATE_90).convert("RGB").save(data, "JPEG", quality=95, exif=exif)
    page.goto("/lookup")
    tool = crop_tool(page, data.getvalue(), "screen.jpg")
    assert natural_size(tool) == (390, 844)
    for edge, value in zip(("Bottom", "Top"), (592, 300), strict=True):
        tool.get_by_label(f"{edge} edge").fill(str(value))
    looked_up_again(page, tool)


def test_a_picture_of_a_hundred_million_pixels_is_cropped_within_bounds(open_page: Open):
    """It has too many pixels to be looked up whole; of its part no more are made than lookups gain from."""
    place = (2000, 4000, 8000, 8500)
    large = Image.new("RGB", (10_000, 10_000), "white")
    large.paste(Image.open(io.BytesIO(photo_bytes("ada", 0))).convert("RGB").resize((place[2] - place[0], place[3] - place[1])), place[:2])
    page = open_page()
    page.add_init_script(
        """window.canvases = [];
        const make = HTMLCanvasElement.prototype.getContext;
        HTMLCanvasElement.prototype.getContext = function (...asked) { canvases.push(this); return make.apply(this, asked); };"""
    )
    page.goto("/lookup")
    data = jpeg(large, quality=60)
    look_up(page, file("screen.jpg", data))
    expect(answer(page, "screen.jpg")).to_contain_text("has more than 89 million pixels", timeout=60_000)
    tool = answer(page, "screen.jpg").locator("details.crop")
    tool.get_by_text("Crop it and look again").click()
    expect(tool.locator("[data-size]")).to_have_text("10,000 × 10,000 pixels", timeout=60_000)
    for edge, value in zip(("Right", "Bottom", "Left", "Top"), (8000, 8500, 2000, 4000), strict=True):
        tool.get_by_label(f"{edge} edge").fill(str(value))
    tool.get_by_role("button", name="Use this part").click()
    expect(answer(page, "part of screen.png")).to_contain_text("Yes, it is in a training list.", timeout=60_000)
    made = page.evaluate("canvases.map(({ width, height }) => width * height)")
    assert made
    assert max(made) <= 8_010_000


def test_a_picture_that_no_browser_should_show_is_not_opened_to_be_cropped(open_page: Open):
    """400 million pixels of one colour: 50 kB as a file, 1.6 GB as a picture."""
    page = open_page()
    page.goto("/lookup")
    look_up(page, file("bomb.png", png(Image.new("1", (20_000, 20_000)))))
    expect(answer(page, "bomb.png")).to_contain_text("has more than 89 million pixels", timeout=60_000)
    answer(page, "bomb.png").get_by_text("Crop it and look again").click()
    expect(answer(page, "bomb.png")).to_contain_text("This picture is too large to be cropped here. Crop it with another program")
    expect(answer(page, "bomb.png").locator("img[alt='What you looked up']")).to_have_count(0)


def test_edges_that_hold_nothing_are_refused_in_words(open_page: Open):
    page = open_page()
    page.goto("/lookup")
    sent = lookups(page)
    tool = crop_tool(page, screenshot_of(photo_bytes("ada", 0), (390, 844), PLACE))
    before = len(sent)
    for value in ("600", "", "-1", "9999"):
        tool.get_by_label("Bottom edge").fill("500")
        tool.get_by_label("Top edge").fill(value)
        tool.get_by_role("button", name="Use this part").click()
        expect(tool.get_by_text("These edges hold no part of the picture.")).to_be_visible()
    assert len(sent) == before


def test_the_whole_picture_is_no_part_and_enter_does_what_the_button_does(open_page: Open):
    page = open_page()
    page.goto("/lookup")
    sent = lookups(page)
    tool = crop_tool(page, screenshot_of(photo_bytes("ada", 0), (390, 844), PLACE))
    before = len(sent)
    tool.get_by_role("button", name="Use this part").click()
    expect(tool.get_by_text("Draw a part first: this is the whole picture.")).to_be_visible()
    assert len(sent) == before
    tool.get_by_label("Bottom edge").fill("592")
    tool.get_by_label("Top edge").fill("300")
    tool.get_by_label("Top edge").press("Enter")
    expect(answer(page, "part of screen.png")).to_contain_text("in a training list.", timeout=20_000)


def test_a_kind_that_nobody_reads_has_one_answer(open_page: Open):
    page = open_page()
    page.goto("/lookup")
    bmp = io.BytesIO()
    textured_picture(seed=0).save(bmp, "BMP")
    look_up(page, file("one.bmp", bmp.getvalue()), file("two.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"))
    for name in ("one.bmp", "two.svg"):
        expect(answer(page, name)).to_contain_text(
            "This kind of file is not supported; please choose JPEG, PNG, WebP, GIF, TIFF, AVIF or HEIC."
        )
    expect(page.get_by_role("button", name="Upload this one")).to_have_count(0)


def test_a_white_picture_is_too_plain_on_the_device_too(open_page: Open):
    page = open_page()
    page.goto("/lookup")
    look_up(page, file("white.png", png(Image.new("RGB", (320, 240), "white"))))
    expect(answer(page, "white.png")).to_contain_text(
        "This picture is too plain to compare; only the very same file can be found.", timeout=20_000
    )
    expect(answer(page, "white.png").locator("details.crop")).to_have_count(0)


def test_without_scripts_the_page_says_how_to_crop(open_page: Open):
    page = open_page(java_script_enabled=False)
    page.goto("/lookup")
    look_up(page, file("one.jpg", jpeg(textured_picture(seed=777))))
    expect(page.get_by_role("heading", name="We found no match.")).to_be_visible(timeout=SANDBOX_STARTS_MS)
    expect(page.get_by_text("To crop a screenshot: open it on your device, choose Edit and then Crop")).to_be_visible()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_the_open_crop_tool_breaks_no_rule(open_page: Open, scheme: str, width: int):
    page = open_page(color_scheme=scheme, viewport={"width": width, "height": 800})
    for member in (False, True):
        if member:
            sign_in(page)
        page.goto("/lookup")
        crop_tool(page, screenshot_of(photo_bytes("ada", 0), (390, 844), PLACE))
        check(page, "the crop tool")
