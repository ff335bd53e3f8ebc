"""The page as people use it: by mouse and by keyboard, with a voice in the microphone, on a screen and on a phone."""

import io

import pytest
import soundfile as sf
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from avis.audio.quality import measure
from avis.verifier import Identification
from avis.verifier.gallery.gates import Gates
from avis.verifier.gallery.identification import Candidate
from tests.avis.serving.conftest import TOKENS, wav
from tests.avis.serving.page.conftest import SPEAKS

pytestmark = pytest.mark.slow
TABS = ("compare", "who", "enrol", "gallery", "live")


@pytest.fixture
def client(served):
    with served.client() as client:
        yield client
        for speaker in {each["speaker"] for each in client.get("/v1/speakers").json()["recordings"]}:
            client.delete(f"/v1/speakers/{speaker}")


def enrol(client, speaker, seed):
    answer = client.post(f"/v1/speakers/{speaker}", files={"audio": wav(seed, duration_s=6.0)}, data={"all": "true"})
    assert answer.status_code == 200, answer.text


def names(client):
    return {each["speaker"] for each in client.get("/v1/speakers").json()["recordings"]}


def as_told(words: str) -> str:
    """Return a verdict's words as the page has them: the outcome above the rest."""
    return words.splitlines()[0].replace(": ", "\n", 1)


def test_a_voice_from_the_microphone_is_compared_with_a_file(browser, served):
    browser.record("[data-slot=a]")
    browser.choose("[data-slot=b]", "other.wav", wav(1))
    browser.press("#compare-them")
    told = browser.until("#compared", "Figures")
    spoken = browser.recorded("slots.a.recording.blob")
    verdict = served.verifier.verify(spoken, wav(1))
    assert told.startswith(as_told(str(verdict)))
    samples, rate = sf.read(io.BytesIO(spoken), dtype="float32")
    assert 4.0 <= len(samples) / rate < 8.0
    speech_s = measure(samples, sample_rate=rate)["speech_s"]
    assert speech_s > 1.0
    assert f"of them about {speech_s:.1f} s speech" in browser.find("[data-slot=a] .player").text
    browser.picture("compare")


def test_reasons_are_shown_in_a_frame_that_reaches_nothing_of_the_page(browser):
    browser.choose("[data-slot=a]", "one.wav", wav(0))
    browser.choose("[data-slot=b]", "other.wav", wav(1))
    browser.press("#compare-them")
    browser.press("#compared .actions button")
    frame = browser.find("iframe")
    browser.picture("why")
    browser.driver.switch_to.frame(frame)
    assert browser.until("h2", "What moved the score")
    assert browser.find("button[data-audio]").is_displayed()  # shown by the script of the reasons
    assert browser.run("return self.origin") == "null"
    assert browser.run("try { return sessionStorage.length } catch (error) { return error.name }") == "SecurityError"
    browser.driver.switch_to.default_content()


def test_somebody_is_enrolled_named_renamed_and_deleted(browser, client):
    enrol(client, "berta", 1)
    browser.open("enrol")
    browser.find("[name=name]").send_keys("anna")
    browser.find("[name=consent]").send_keys("said yes on paper")
    browser.press("#voices .recorder button")
    assert browser.until("#voices .said", "Go on speaking.")
    browser.until("#voices .said", "That is enough.")
    browser.picture("enrol_enough")
    assert browser.run("return document.querySelector('#voices .enough').value") >= Gates().min_speech_s
    browser.press("#voices .recorder button")
    browser.press("#enrol-them")
    assert "1 taken, 1 in all." in browser.until("#enrolled", "anna")
    browser.picture("enrolled")

    browser.open("who")
    browser.choose("[data-slot=who]", "who.wav", wav(SPEAKS, duration_s=5.0))
    browser.press("#name-them")
    told = browser.until("#named", "Candidate")
    found = client.post("/v1/identify", files={"audio": wav(SPEAKS, duration_s=5.0)}).json()
    candidates = tuple(Candidate(**each) for each in found.pop("candidates"))
    assert told.startswith(as_told(str(Identification(**found, candidates=candidates))))
    assert {each.text for each in browser.all("#named tbody th")} == {"anna", "berta"}
    browser.picture("who")

    browser.open("gallery")
    assert "said yes on paper" in browser.until("#people", "anna")
    browser.picture("gallery")
    browser.press("[aria-label='Rename anna']")
    browser.find("#rename input").send_keys("annabel")
    browser.picture("rename")
    browser.press("#rename button:not([type])")
    browser.until("#changed", "anna is called annabel now.")
    browser.press("[aria-label='Delete annabel']")
    assert "annabel goes, 1 recording" in browser.find("#remove").text
    browser.press("#remove [data-leave]")
    assert names(client) == {"annabel", "berta"}
    browser.press("[aria-label='Delete annabel']")
    browser.press("#remove button:not([type])")
    browser.until("#changed", "annabel is enrolled no longer.")
    assert names(client) == {"berta"}


def test_what_is_too_short_is_refused_in_the_words_of_the_service(browser, client):
    browser.open("enrol")
    browser.press("#enrol-them")
    assert "The name is missing" in browser.find("#enrolled .error").text
    browser.find("[name=name]").send_keys("anna")
    browser.choose("#voices", "short.wav", wav(0, duration_s=1.5))
    browser.press("#enrol-them")
    browser.until("#enrolled", "nothing enrolled")
    answer = client.post("/v1/speakers/anna", files={"audio": wav(0, duration_s=1.5)})
    assert answer.status_code == 422
    assert answer.json()["error"] in browser.find("#enrolled").text
    browser.picture("refused")
    browser.choose("#voices", "long.wav", wav(0, duration_s=5.0))
    browser.press("#enrol-them")
    told = browser.until("#enrolled", "1 taken, 1 in all.")
    assert f"recording 1 {answer.json()['refused']['recording 1']}" in told


@pytest.mark.parametrize("against", ["person", "recording"])
def test_a_verdict_is_renewed_while_somebody_speaks(browser, client, served, against):
    enrol(client, "anna", SPEAKS)
    browser.open("live")
    if against == "person":
        browser.find("#against").send_keys("anna")
    else:
        browser.choose("[data-slot=voice]", "voice.wav", wav(SPEAKS, duration_s=6.0))
    browser.press("#live-start")
    browser.until("#running", "times more likely")
    browser.until("#live-heard", "8.")
    browser.picture(f"live_{against}")
    assert len(browser.run("return document.querySelector('#course .llr').getAttribute('points').split(' ')")) >= 2
    browser.press("#live-start")
    told = browser.until("#running", "Final verdict")
    assert browser.run("return document.querySelector('#live-said').textContent").startswith("Final: ")
    if against == "recording":
        spoken = browser.recorded("live.sound.wav()")
        verdict = served.verifier.verify(wav(SPEAKS, duration_s=6.0), spoken)
        assert as_told(str(verdict)) in told
    browser.press("#running .actions button")
    browser.find("#running iframe")


def test_by_the_keyboard_alone(browser, client):
    enrol(client, "anna", 0)

    def keys(*pressed):
        ActionChains(browser.driver).send_keys(*pressed).perform()

    def focused():
        return browser.run("const at = document.activeElement; return at.id || at.ariaLabel || at.textContent.trim()")

    keys(Keys.TAB)
    assert focused() == "tab-compare"
    for key, tab in ((Keys.ARROW_RIGHT, "who"), (Keys.END, "live"), (Keys.ARROW_RIGHT, "compare"),
                     (Keys.ARROW_LEFT, "live"), (Keys.ARROW_LEFT, "gallery")):  # fmt: skip
        keys(key)
        assert focused() == f"tab-{tab}"
        assert browser.find(f"#panel-{tab}").is_displayed()
    browser.until("#people", "anna")
    keys(Keys.TAB)
    assert focused() == "Rename anna"
    keys(Keys.ENTER)
    browser.find("#rename")
    keys(Keys.ESCAPE)
    assert focused() == "Rename anna"
    browser.find("[aria-label='Rename anna'][aria-disabled=false]")
    keys(Keys.ENTER, "otto", Keys.ENTER)
    browser.find("[aria-label='Rename otto']")
    assert names(client) == {"otto"}
    assert focused() == "changed"
    keys(Keys.TAB, Keys.TAB, Keys.ENTER)
    browser.find("#remove")
    assert focused() == "Cancel"
    keys(Keys.ENTER)
    browser.find("[aria-label='Delete otto'][aria-disabled=false]")
    assert focused() == "Delete otto"
    assert names(client) == {"otto"}


@pytest.mark.parametrize("width", [390, 1200])
@pytest.mark.parametrize("tab", TABS)
def test_nothing_is_cut_off_and_everything_has_a_name(browser, client, tab, width):
    enrol(client, "anna", 0)
    browser.resize(width)
    browser.open(tab)
    if tab == "gallery":
        browser.until("#people", "anna")
    if tab == "who":
        browser.choose("[data-slot=who]", "a-name-without-a-break-and-without-an-end.wav", wav(1))
        browser.press("#name-them")
        browser.until("#named", "anna")
    if tab == "compare":
        for slot in "ab":
            browser.choose(f"[data-slot={slot}]", f"{slot}.wav", wav(0))
        browser.press("#compare-them")
        browser.press("#compared summary")
        browser.press("#compared .actions button")
        browser.find("iframe")
    assert browser.run("return document.documentElement.scrollWidth") <= width
    rights = "return [...document.querySelectorAll('main *')].map((each) => each.getBoundingClientRect().right)"
    assert max(browser.run(rights)) <= width + 1
    browser.picture(f"{tab}_{width}")
    nodes = browser.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles = ("button", "textbox", "combobox", "tab", "tabpanel", "link", "meter", "Date", "dialog")
    named = [(each["role"]["value"], each.get("name", {}).get("value", "")) for each in nodes if not each["ignored"]]
    assert [role for role, name in named if role in roles and not name] == []
    assert ("tab", "Compare") in named


def test_a_token_is_asked_for_once_and_kept_in_the_tab(browser, served):
    browser.press("#forget")
    assert "token not known" in browser.find("#token").text
    browser.find("#token input").send_keys("wrong", Keys.ENTER)
    browser.find("#token input").send_keys(TOKENS["verify"], Keys.ENTER)
    browser.until("#about", "Model")
    assert browser.run("return [localStorage.length, document.cookie, location.search]") == [0, "", ""]
    browser.open("gallery")
    assert "token for something else" in browser.until("#people", "expected one for enrol")
    browser.open("live")
    browser.until("#unlisted", "expected one for enrol")


def test_a_stream_that_is_refused_says_why(browser):
    browser.open("live")
    browser.find("#against").send_keys("nobody")
    browser.press("#live-start")
    browser.until("#running", "nobody of that name: got 'nobody'")
    browser.run("sessionStorage.setItem('avis.token', 'another-token-than-theirs')")
    browser.press("#live-start:not(.recording)")
    browser.until("#running", "token not known")


def test_a_page_without_a_microphone_says_so(browser):
    browser.run("Object.defineProperty(navigator, 'mediaDevices', { value: undefined })")
    browser.press("[data-slot=a] .recorder button")
    assert "https:// and at localhost only" in browser.find("[data-slot=a] .error").text
