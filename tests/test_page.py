"""The page in a real browser: Debian's Chromium, which plays H.264 and AAC. `make screenshot` keeps the picture."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.catalog import Catalog
from service.settings import load_settings
from tests.conftest import Archive
from tests.media_maker import mono, write_media
from tests.served import SENTENCE, SENTENCE_MS, Ears, hear, running
from tests.spoken import line

CHROMIUM = Path("/usr/bin/chromium")
SCREENSHOT = os.environ.get("EARWITNESS_SCREENSHOT")

# In every page: what was seen whenever a media element told its time, so that nothing depends on when we look.
WATCH = """document.addEventListener("timeupdate", ({ target }) => {
  const cues = [...(target.textTracks[0]?.activeCues ?? [])].map((cue) => cue.getCueAsHTML().textContent);
  (window.watched ??= []).push({ at: target.currentTime, paused: target.paused, cues });
}, true)"""
# Resolves once the media element has played on to a time; gives what was watched until then.
PLAYED_TO = """(video, seconds) => new Promise((resolve) => {
  const look = () => video.currentTime >= seconds && resolve(window.watched);
  video.addEventListener("timeupdate", look);
  look();
})"""
TRACK_MODE = "(video) => video.textTracks[0].mode"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not CHROMIUM.exists():
        pytest.skip("no Chromium: tests/install-chromium.sh installs it, as root")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page whose policy is in force; what the browser complains about fails the test, save a refused question."""
    complaints: list[str] = []
    context = browser.new_context(viewport={"width": 1200, "height": 800}, locale="en-US")
    context.add_init_script(WATCH)
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    yield page
    context.close()
    assert [complaint for complaint in complaints if "status of 422" not in complaint] == []


@pytest.fixture(scope="module")
def url(archive: Archive) -> Iterator[str]:
    with running(archive.data) as url:
        yield url


def test_a_hit_plays_at_its_moment_under_its_words(page: Any, url: str, archive: Archive) -> None:
    """Searched, clicked, heard: playback begins at the hit's time and goes on, the active caption has its words."""
    page.goto(url)
    page.get_by_label("What was said?").fill("proof of insurance")
    page.keyboard.press("Enter")
    first = page.locator("#list .card").first
    first.locator("mark", has_text="proof of insurance").wait_for()
    assert "q=proof+of+insurance" in page.url
    assert first.locator(".leg").all_inner_texts()[:3] == ["said exactly", "in these words", "sounds like it"]
    assert first.locator(".verdict").inner_text().startswith("found · ")
    first.get_by_role("button").click()
    video = page.locator("video")
    start_s = hit_start_ms(page, url) / 1000

    assert "proof of insurance" in played(video, start_s)
    assert video.evaluate(TRACK_MODE) == "showing"
    assert page.get_by_text("Machine transcript, not verified").is_visible()
    page.locator("#lines [aria-current=true]", has_text="insurance").wait_for()
    if SCREENSHOT:
        video.evaluate("(video) => video.pause()")
        video.hover()  # shows the controls
        Path(SCREENSHOT).parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOT)

    # The address says both, so that a link leads to the moment.
    page.reload()
    assert "proof of insurance" in played(page.locator("video"), start_s)
    assert page.get_by_label("What was said?").input_value() == "proof of insurance"


def test_it_works_by_keyboard_and_on_a_narrow_screen(page: Any, url: str) -> None:
    """Tab reaches the hits, Enter plays one, and nothing is wider than the screen."""
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(f"{url}/?q=license")
    page.locator("#list .play").first.wait_for()
    page.get_by_label("What was said?").focus()
    for _ in ("the button", "doubtful words", "the order", "how it was understood", "facets", "the first hit"):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    assert "license" in played(page.locator("video"), hit_start_ms(page, url) / 1000).lower()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360
    assert page.get_by_text("Machine transcript, not verified").is_visible()


def test_nothing_found_says_what_was_searched(page: Any, url: str) -> None:
    """How many recordings, how much speech, how much silence, and that machines mishear."""
    page.goto(f"{url}/?q=%22helicopter+with+a+searchlight%22")
    status = page.get_by_text("Nothing found")
    status.wait_for()
    says = page.locator("#status").inner_text()

    assert "in 5 recordings with" in says
    assert "of speech" in says
    assert "30 s were digitally silent" in says
    assert "machines mishear" in says


def test_doubtful_words_are_shown_to_those_who_ask_and_named(page: Any, tmp_path: Path) -> None:
    """Left out of an exact search until the box is ticked, which the address keeps; then a label says what they are."""
    media = write_media(tmp_path / "a.wav", mono([1_000, 3_000], 5_000, 16_000, "pcm_s16le"))
    data = tmp_path / "data"
    doubted = line(None, 2_500, "show me your hands", flags=["doubtful"])
    hear(data, [media], ears=Ears([doubted, line(None, 4_000, "Sergeant Okafor", primed=["Okafor"])]))
    with running(data) as url:
        page.goto(f"{url}/?q=%22your+hands%22")
        page.get_by_text("1 place with doubtful words left out").wait_for()
        assert page.locator("#list .card").count() == 0
        page.get_by_label("also doubtful words").check()
        page.locator(".flag", has_text="doubtful – may not have been said").wait_for()
        assert "doubtful=true" in page.url
        page.goto(f"{url}/?q=%22okafor%22&doubtful=true")
        page.locator(".flag", has_text="suggested by the vocabulary").wait_for()
        assert page.get_by_label("also doubtful words").is_checked()
        page.goto("about:blank")


def test_an_exact_answer_is_paged_and_downloaded_whole(page: Any, tmp_path: Path) -> None:
    """The next page comes below and has the focus; the link gives every place; what awaits the index is told."""
    media = write_media(tmp_path / "a.wav", mono([1_000, 3_000], 5_000, 16_000, "pcm_s16le"))
    data = tmp_path / "data"
    hear(data, [media], ears=Ears([line(None, 2_500 + 3_000 * n, "open the trunk") for n in range(24)]))
    with running(data) as url:
        page.goto(f"{url}/?q=trunk")
        page.locator("#list .card").first.wait_for()
        assert not page.get_by_role("link", name="Download all (CSV)").is_visible()
        page.goto(f"{url}/?q=%22open+the+trunk%22")
        page.get_by_text("25 hits, 20 shown, in 1 recording").wait_for()
        page.get_by_role("button", name="Next page").click()
        page.get_by_text("25 hits in 1 recording").wait_for()
        assert page.locator("#list .card").count() == 25
        assert (
            page.evaluate("() => [...document.querySelectorAll('#list .play')].indexOf(document.activeElement)") == 20
        )
        assert not page.get_by_role("button", name="Next page").is_visible()
        with page.expect_download() as download:
            page.get_by_role("link", name="Download all (CSV)").click()
        assert download.value.suggested_filename == "earwitness-citations.csv"
        assert len(Path(download.value.path()).read_text().splitlines()) == 26
        page.goto("about:blank")


def test_a_name_found_by_its_sound_is_marked_as_it_was_written(page: Any, tmp_path: Path) -> None:
    """The query is nowhere in the text; what sounds like it is, and a label says why it is a hit."""
    media = write_media(tmp_path / "a.wav", mono([1_000, 3_000], 8_000, 16_000, "pcm_s16le"))
    data = tmp_path / "data"
    hear(data, [media], ears=Ears([line(None, 4_000, "this is Officer Kovalchik speaking")]))
    with running(data) as url:
        page.goto(f"{url}/?q=Kovalchick")
        card = page.locator("#list .card").first
        card.locator(".leg", has_text="sounds like it").wait_for()
        assert card.locator("mark").all_inner_texts() == ["Kovalchik"]
        page.goto("about:blank")


def test_the_angles_of_a_hit_are_listed_and_each_plays(page: Any, url: str) -> None:
    """Folded until asked for; a click plays that camera from where it was said there, and the address says so."""
    fields = ["recording_id", "source", "start_ms", "end_ms", "officer", "text", "confidence"]

    def by_two_cameras(route: Any) -> None:
        """Which recordings are linked is not tested here."""
        answer = route.fetch().json()
        first = answer["hits"][0]
        other = next(hit for hit in answer["hits"] if hit["recording_id"] != first["recording_id"])
        told = ({"offset_ms": 0, "by": None}, {"offset_ms": -7_620, "by": "words"})
        first["angles"] = [
            {name: hit[name] for name in fields} | offset for hit, offset in zip((first, other), told, strict=True)
        ]
        route.fulfill(json=answer)

    page.route("**/api/v1/search?*", by_two_cameras)
    page.goto(f"{url}/?q=officer")
    card = page.locator("#list .card").first
    card.get_by_text("2 angles").click()
    second = card.locator(".angles li").nth(1)
    assert "− 7.62 s by words" in second.inner_text()
    assert "shown above" in card.locator(".angles li").first.inner_text()
    playing = page.url
    second.get_by_role("button").click()
    page.wait_for_url(lambda address: address != playing and "recording=" in address)
    page.locator("video").wait_for()


def test_what_is_no_find_stands_apart_under_one_heading(page: Any, tmp_path: Path) -> None:
    """Each hit says which it is; the heading stands before the first of them, once on all pages."""
    media = write_media(tmp_path / "a.wav", mono([1_000, 3_000], 5_000, 16_000, "pcm_s16le"))
    data = tmp_path / "data"
    hear(data, [media], ears=Ears([line(None, 2_500 + 3_000 * n, "open the trunk") for n in range(24)]))
    n_found = 3

    def judge(route: Any) -> None:
        """Where found ends is a matter of weights, which are not tested here."""
        answer = route.fetch().json()
        for rank, hit in enumerate(answer["hits"], answer["offset"]):
            hit["found"] = rank < n_found
        route.fulfill(json=answer)

    with running(data) as url:
        page.route("**/api/v1/search?*", judge)
        page.goto(f"{url}/?q=trunk")
        page.get_by_text("25 hits, 20 shown, in 1 recording").wait_for()
        page.get_by_role("button", name="Next page").click()
        page.get_by_text("25 hits in 1 recording").wait_for()
        assert page.get_by_role("heading", name="Perhaps what was meant").count() == 1
        listed = page.locator("#list > li").evaluate_all("(all) => all.map((one) => one.className || one.id)")
        assert listed == ["card"] * n_found + ["perhaps"] + ["card perhaps"] * (25 - n_found)
        says = [text.split(" · ")[0] for text in page.locator(".verdict").all_inner_texts()]
        assert says == ["found"] * n_found + ["perhaps"] * (25 - n_found)
        assert not page.get_by_text("As a name").is_visible()
        page.get_by_text("How this was understood").click()
        assert page.get_by_text("As a name: only 1 telling word. What counts: trunk 100 %.").is_visible()

        n_found = 0
        page.reload()
        page.get_by_text("Nothing found for sure; 25 hits perhaps, 20 shown, in 1 recording").wait_for()
        page.goto("about:blank")


def test_what_awaits_the_index_is_not_counted_as_searched(page: Any, tmp_path: Path) -> None:
    """Heard, but nothing can index it here: the page says that it was not searched, and why."""
    media = write_media(tmp_path / "a.wav", mono([1_000, 3_000], 5_000, 16_000, "pcm_s16le"))
    data = tmp_path / "data"
    hear(data, [media])
    with Catalog.open(load_settings(data=data).catalog) as catalog:
        catalog.unindexed()
    (data / "earwitness.toml").write_text('text_model = "no-such-model"\n')
    with running(data) as url:
        page.goto(f"{url}/?q=%22nobody+said+this%22")
        page.get_by_text("1 recording is not processed yet (1 heard, but not yet in the index)").wait_for()
        assert "in 0 recordings with 0 s of speech" in page.locator("#status").inner_text()
        page.goto("about:blank")


def test_without_a_query_the_recordings_are_listed(page: Any, url: str) -> None:
    """The latest first; one that is clicked plays from its beginning, in sound alone too."""
    page.goto(url)
    page.locator("#list .card").nth(4).wait_for()

    assert "5 recordings" in page.locator("#status").inner_text()
    assert page.locator("#list .play").first.inner_text() == "AXON_Body_3_2025-03-29_0326_X60A12345.mp4"
    page.get_by_role("button", name="AXON_Body_3_2025-03-21_1018_X60A30417.mp3").click()
    played(page.locator("video.sound"), 0.0)


def test_a_wrong_query_is_explained(page: Any, url: str) -> None:
    """The service's own sentence is shown."""
    page.goto(f"{url}/?q=%3F%21")
    page.get_by_text("That did not work: the query holds no word").wait_for()


@pytest.mark.parametrize("video_ms", [0, 5_000])
def test_what_the_browser_cannot_play_plays_as_a_labelled_copy(page: Any, tmp_path: Path, video_ms: int) -> None:
    """An MKV, remuxed or transcoded, plays at its moment and says that it is a copy."""
    media = write_media(tmp_path / "a.mkv", mono([1_000, 3_000], 5_000, codec="libopus"), video_ms=video_ms)
    data = tmp_path / "data"
    hear(data, [media])
    with running(data) as url:
        page.goto(f"{url}/?q={SENTENCE}")
        page.locator("#list .play").click()
        assert played(page.locator("video"), SENTENCE_MS / 1000) == SENTENCE
        page.get_by_text("What plays is a copy").wait_for()
        assert "SHA-256 of the copy: " in page.locator("#proxy").inner_text()
        page.goto("about:blank")


def played(video: Any, start_s: float) -> str:
    """Assert that playback began within a second of a time and went on; the words of the first captions it showed."""
    watched = video.evaluate(PLAYED_TO, start_s + 0.3)
    moving = [moment for moment in watched if not moment["paused"]]

    assert start_s - 0.001 <= moving[0]["at"] < start_s + 1
    assert moving[-1]["at"] > moving[0]["at"]
    return next((" ".join(" ".join(moment["cues"]).split()) for moment in watched if moment["cues"]), "")


def hit_start_ms(page: Any, url: str) -> int:
    """Of the first hit for what stands in the search box."""
    answer = page.request.get(f"{url}/api/v1/search", params={"q": page.get_by_label("What was said?").input_value()})
    start_ms: int = answer.json()["hits"][0]["start_ms"]
    return start_ms
