"""People are enrolled, named, renamed and removed; who is not enrolled is not named, and nothing is lost on the way."""

import dataclasses
import datetime
import math
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile as sf

from avis.metrics.operating_point import OperatingPoint
from avis.verifier import Candidate, Gallery, Gates, Register, Verifier
from avis.verifier.gallery import people, register
from avis.verifier.gallery.identification import Ranking, decide
from tests.avis.conftest import RATE, talk
from tests.avis.verifier.gallery.conftest import bytes_of


def test_who_is_enrolled_is_named_and_who_is_not_is_not(gallery, voice):
    for person, name in enumerate(["anna", "bob", "carl"]):
        found = gallery.identify(voice(person, take=9))
        assert (found.outcome, found.speaker, found.num_enrolled) == ("match", name, 3)
        assert found.candidates[0].speaker == name
        assert found.margin > 0
        assert str(found).startswith(f"{name}, of 3 enrolled: the evidence is ")
    stranger = gallery.identify(voice(5))
    assert (stranger.outcome, stranger.speaker) == ("not_enrolled", None)
    assert str(stranger).startswith("None of 3 enrolled: for the likeliest, ")
    with pytest.raises(TypeError, match="neither true nor false"):
        bool(stranger)


def test_each_is_compared_as_one_recording_of_the_mean(gallery, sure, voice):
    """Score and ratio are those of a verdict on the mean embedding and the mean seconds of speech."""
    probe = voice(0, take=9, speech_s=3.0)
    by_name = {each.speaker: each for each in gallery.identify(probe).candidates}
    for person, (name, recordings) in enumerate({"anna": 3, "bob": 2, "carl": 1}.items()):
        takes = np.stack([voice(person, take).embedding for take in range(recordings)])
        verdict = sure.verify(sure.voiceprint_of(takes, 5.0), probe)
        found = by_name[name]
        assert found.score == pytest.approx(verdict.score, abs=1e-6)
        assert found.llr == pytest.approx(verdict.llr, abs=1e-5)
        assert found.llr_interval == pytest.approx(verdict.llr_interval, abs=1e-5)


def test_the_more_are_enrolled_the_more_it_takes(gallery, sure, voice):
    """With one person the threshold is that of a trial; with n it is that of n times as many strangers."""
    few = gallery.identify(voice(0, take=9))
    others = sum(math.exp(each.llr) for each in few.candidates[1:])
    assert few.threshold == pytest.approx(math.log(3 * math.exp(sure.threshold) + others), abs=1e-5)
    for name in ("bob", "carl"):
        gallery.remove(name)
    assert gallery.identify(voice(0, take=9)).threshold == pytest.approx(sure.threshold, abs=1e-6)


def test_of_two_names_of_one_voice_it_is_unsure(gallery, voice):
    assert gallery.enroll("anna's twin", [voice(0, take=7)], gates=None).taken
    found = gallery.identify(voice(0, take=9))
    assert found.outcome == "unsure"
    assert {each.speaker for each in found.candidates[:2]} == {"anna", "anna's twin"}
    assert str(found).startswith("Unsure: the likeliest of 4 enrolled is anna")


def test_nothing_is_sure_where_the_calibration_does_not_reach(gallery, sure, voice):
    rare = Verifier(dataclasses.replace(sure.parts, operating_point=OperatingPoint(1e-9)))
    found = Gallery.open(gallery.files.folder, rare).identify(voice(0, take=9))
    assert (found.outcome, found.candidates[0].speaker) == ("unsure", "anna")
    assert any("bears out no log-likelihood ratios" in warning for warning in found.warnings)
    uncalibrated = Verifier(dataclasses.replace(sure.parts, calibration=None))
    found = Gallery.open(gallery.files.folder, uncalibrated).identify(voice(0, take=9))
    assert (found.outcome, found.candidates[0].speaker, found.threshold) == ("unsure", "anna", None)
    assert "nothing was calibrated" in str(found)


def test_less_speech_than_was_calibrated_on_has_no_name(gallery, voice):
    for person, nearest in ((0, "anna"), (5, None)):
        found = gallery.identify(voice(person, take=9, speech_s=0.6))
        assert (found.outcome, found.speaker) == ("unsure", None)
        nearest = nearest or found.candidates[0].speaker
        assert any(
            warning.startswith(f"Outside what was calibrated (beside {nearest}): the shorter recording has 0.6 s of")
            for warning in found.warnings
        )
    assert gallery.identify(voice(0, take=9, speech_s=40.0)).speaker == "anna"
    assert gallery.identify(voice(5, speech_s=40.0)).outcome == "not_enrolled"


def test_who_is_enrolled_with_too_little_may_be_anybody_but_hides_nobody(gallery, voice):
    gallery.enroll("dora", [voice(3, speech_s=0.6)], gates=None)
    assert gallery.identify(voice(0, take=9)).speaker == "anna"
    stranger = gallery.identify(voice(5))
    assert stranger.outcome == "unsure"
    assert "Outside what was calibrated (beside dora): the shorter recording has 0.6 s" in " ".join(stranger.warnings)
    gallery.enroll("dora", [voice(3, take, speech_s=2.0) for take in (1, 2, 3)])
    assert gallery.identify(voice(5)).outcome == "not_enrolled"


def test_silence_has_no_name(gallery):
    found = gallery.identify((np.zeros(3 * RATE, np.float32), RATE))
    assert (found.outcome, found.candidates) == ("not_heard", ())
    assert str(found).startswith("Not heard")


def test_an_empty_gallery_says_so_and_is_not_made(sure, voice, tmp_path):
    with pytest.raises(ValueError, match="nobody is enrolled"):
        Gallery.open(tmp_path / "nowhere", sure).identify(voice(0))
    assert not (tmp_path / "nowhere").exists()


def test_who_is_removed_is_gone_with_every_byte(gallery, sure, voice):
    traces = [b"bob", *(voice(1, take).embedding.tobytes()[:16] for take in range(2)), voice(1, 0).sha256.encode()]
    both = sure.voiceprint_of(np.stack([voice(1, take).embedding for take in range(2)]), 5.0)
    traces.append(sure.comparison.sides(both.embedding[None], np.ones(1)).vectors.tobytes()[:8])
    before = b"".join(bytes_of(gallery).values())
    assert b"bob" in before
    assert traces[-1] in before
    assert gallery.remove("bob") == 2
    after = b"".join(bytes_of(gallery).values())
    assert not any(trace in after for trace in traces)
    assert gallery.identify(voice(1, take=9)).outcome == "not_enrolled"
    assert gallery.identify(voice(0, take=9)).speaker == "anna"
    with pytest.raises(ValueError, match="nobody of that name: got bob"):
        gallery.remove("bob")


def test_names_are_changed_and_joined(gallery, voice):
    gallery.rename("anna", "Anna Lee")
    assert gallery.identify(voice(0, take=9)).speaker == "Anna Lee"
    with pytest.raises(ValueError, match="name taken: got carl"):
        gallery.rename("bob", "carl")
    gallery.enroll("annie", [voice(0, take=8)], gates=None)
    gallery.merge("annie", into="Anna Lee")
    assert gallery.identify(voice(0, take=9)).speaker == "Anna Lee"
    assert gallery.list()["speaker"].to_pylist() == ["Anna Lee"] * 4 + ["bob"] * 2 + ["carl"]
    for wrong in ({"speaker": "annie", "into": "bob"}, {"speaker": "bob", "into": "annie"}):
        with pytest.raises(ValueError, match="nobody of that name: got annie"):
            gallery.merge(**wrong)


@pytest.mark.parametrize("name", ["", " \u200b", "a" * 300, "bell\a", None])
def test_a_name_is_a_line_of_letters(gallery, voice, name):
    with pytest.raises(ValueError, match="no name: got"):
        gallery.enroll(name, [voice(3)])


def test_names_may_look_like_paths_and_are_compared_as_everywhere(gallery, voice, tmp_path):
    gallery.enroll("../Hie\u0302\u0301u  /x", [voice(3)])
    assert gallery.enroll("../Hi\u1ebfu/x", [voice(3, take=1)]).num_recordings == 2
    assert {path.name for path in tmp_path.iterdir()} == {"gallery"}


def test_everything_is_exported(gallery, voice, tmp_path):
    assert gallery.export(str(tmp_path / "all.parquet")) == 6
    table = pq.read_table(tmp_path / "all.parquet")
    assert table["speaker"].to_pylist() == ["anna"] * 3 + ["bob"] * 2 + ["carl"]
    rows = {row["sha256"]: row["embedding"] for row in table.to_pylist()}
    assert rows[voice(1, 1).sha256] == pytest.approx(voice(1, 1).embedding)


def it_is(monkeypatch, day: datetime.date) -> None:
    for module in (people, register):
        monkeypatch.setattr(module, "today", lambda: day)


def test_a_recording_is_matched_as_long_as_it_may_be_kept(gallery, voice, monkeypatch):
    last = datetime.date(2030, 1, 31)
    gallery.enroll("dora", [voice(3)], consent="signed 2029-12-01", keep_until=last)
    gallery.enroll("bob", [voice(4, take=3)], keep_until=last, gates=None)
    it_is(monkeypatch, last)
    assert gallery.identify(voice(3, take=9)).speaker == "dora"
    it_is(monkeypatch, last + datetime.timedelta(days=1))
    for opened in (gallery, Gallery.open(gallery.files.folder, gallery.verifier)):
        found = opened.identify(voice(3, take=9))
        assert (found.outcome, found.num_enrolled) == ("not_enrolled", 3)
        takes = np.stack([voice(1, take).embedding for take in range(2)])
        verdict = opened.verifier.verify(opened.verifier.voiceprint_of(takes, 5.0), voice(1, take=9))
        bob = opened.identify(voice(1, take=9)).candidates[0]
        assert bob.llr == pytest.approx(verdict.llr, abs=1e-5), "bob's recording of another voice counts no more"
    assert b"dora" in b"".join(bytes_of(gallery).values())
    over = gallery.purge()
    assert sorted(over["speaker"].to_pylist()) == ["bob", "dora"]
    assert over["consent"].to_pylist() == [None, "signed 2029-12-01"]
    assert b"dora" not in b"".join(bytes_of(gallery).values())
    assert len(gallery.list()) == 6
    assert len(gallery.purge()) == 0


def test_nothing_is_kept_until_yesterday(gallery, voice):
    with pytest.raises(ValueError, match="kept until a day to come"):
        gallery.enroll("dora", [voice(3)], keep_until=datetime.date(2020, 1, 1))


def test_another_models_gallery_is_refused(gallery, sure, voice):
    checkpoint = dataclasses.replace(sure.parts.checkpoint, digest="1" * 64)
    other = Verifier(dataclasses.replace(sure.parts, checkpoint=checkpoint))
    with pytest.raises(ValueError, match=r"gallery of another model: got embeddings of 0{12}, used last from models/"):
        Gallery.open(gallery.files.folder, other)
    with pytest.raises(ValueError, match="gallery without recordings"):
        Gallery.reembed(gallery.files.folder, other)


def test_another_model_embeds_the_recordings_that_are_kept(sure, recording, tmp_path):
    gallery = Gallery.open(tmp_path / "gallery", sure, keep_audio=True)
    paths = {name: recording(seed) for seed, name in enumerate(["anna", "bob"], start=1)}
    gallery.enroll_all({name: [path] for name, path in paths.items()}, gates=None)
    checkpoint = dataclasses.replace(sure.parts.checkpoint, digest="1" * 64)
    other = Verifier(dataclasses.replace(sure.parts, checkpoint=checkpoint))
    with pytest.raises(ValueError, match="embed the gallery anew"):
        Gallery.open(tmp_path / "gallery", other)
    anew = Gallery.reembed(tmp_path / "gallery", other)
    found = anew.identify(paths["bob"])
    assert found.candidates[0].speaker == "bob"
    assert found.candidates[0].score == pytest.approx(1.0, abs=1e-5)
    with pytest.raises(ValueError, match="gallery of another model"):
        gallery.identify(paths["anna"])


def test_a_gallery_keeps_recordings_from_the_start_or_not_at_all(gallery, sure, voice, tmp_path):
    with pytest.raises(ValueError, match="gallery without recordings: got keep_audio=True"):
        Gallery.open(gallery.files.folder, sure, keep_audio=True)
    with pytest.raises(ValueError, match="voiceprint without audio"):
        Gallery.open(tmp_path / "other", sure, keep_audio=True).enroll("anna", [voice(0)])


def test_recordings_are_refused_that_would_spoil_answers(gallery, recording, tmp_path):
    loud, noisy = str(tmp_path / "loud.wav"), str(tmp_path / "noisy.wav")
    sf.write(loud, np.clip(20 * talk(1), -1, 1), RATE)
    sf.write(noisy, talk(2) + 0.03 * np.random.default_rng(0).normal(size=3 * RATE), RATE)
    (tmp_path / "notes.txt").write_text("no audio")
    short, silent = recording(3, duration_s=1.2), (np.zeros(RATE, np.float32), RATE)
    with open(recording(5, duration_s=6.0), "rb") as good:
        made = gallery.enroll("dora", [loud, noisy, short, silent, str(tmp_path / "notes.txt"), good])
    assert made.taken == ("recording 6",), made
    reasons = list(made.refused.values())
    for reason, said in zip(reasons, ["clipped: ", "noisy: ", " s of speech", "silent", "not audio"], strict=True):
        assert said in reason
    assert str(made).endswith("dora: 1 taken, 1 in all")


def test_nothing_is_written_where_all_is_refused(sure, recording, tmp_path):
    gallery = Gallery.open(tmp_path / "gallery", sure)
    made = gallery.enroll("dora", [recording(3, duration_s=0.2)])
    assert (made.taken, made.num_recordings) == ((), 0)
    assert len(gallery.list()) == 0
    with pytest.raises(ValueError, match="nothing to enrol"):
        gallery.enroll("dora", [])


def test_a_recording_of_another_voice_is_refused(gallery, voice):
    made = gallery.enroll("anna", [voice(0, take=4), voice(5), voice(0, take=5)])
    assert made.taken == ("recording 1", "recording 3")
    assert "another voice than the others of that name" in made.refused["recording 2"]


def test_of_two_new_voices_it_is_not_known_whose_the_name_is(gallery, voice):
    made = gallery.enroll("dora", [voice(3), voice(5)])
    assert made.taken == ()
    assert all("which is right cannot be told" in why for why in made.refused.values())


def test_a_recording_counts_once(gallery, voice):
    made = gallery.enroll("anna", [voice(0, take=1), voice(0, take=6), voice(0, take=6)])
    assert made.taken == ("recording 2",)
    assert set(made.refused.values()) == {"is enrolled under that name already"}


def test_a_voice_has_one_name(gallery, voice):
    made = gallery.enroll("ann", [voice(0, take=4)])
    assert made.refused == {"recording 1": "the voice is that of anna, who is enrolled"}
    both = gallery.enroll_all({"dora": [voice(3)], "dorothy": [voice(3, take=1)]})
    assert [len(each.taken) for each in both] == [1, 0]
    assert both[1].refused == {"recording 1": "the voice is that of dora, who is enrolled"}


def test_gates_can_be_chosen(gallery, voice):
    made = gallery.enroll("dora", [voice(3, speech_s=1.5)])
    assert made.refused == {"recording 1": "1.50 s of speech, of which it takes 2 s"}
    assert gallery.enroll("dora", [voice(3, speech_s=1.5)], gates=Gates(min_speech_s=1.0)).taken


def test_people_are_looked_after_without_the_model(gallery, voice, tmp_path):
    register = Register.of(gallery.files.folder)
    assert len(register.list()) == 6
    register.remove("anna")
    register.rename("bob", "robert")
    assert b"anna" not in b"".join(bytes_of(gallery).values())
    assert gallery.identify(voice(1, take=9)).speaker == "robert"
    gallery.enroll("dora", [voice(3)])
    assert len(list(Path(gallery.files.folder).glob("people/*"))) == len(gallery.files.snapshot().people)
    with pytest.raises(ValueError, match=r"no gallery: got no manifest\.json"):
        Register.of(tmp_path / "nowhere")


def test_several_who_may_be_it_are_not_nobody():
    """Each by itself is less likely than a stranger, all together are not: at even odds it is one of them in 0.89."""
    five = [Candidate(speaker=f"p{at}", score=0.1, llr=2.1, llr_interval=(1.9, 2.25)) for at in range(5)]
    together = {"candidates": five, "uncapped": [(1.9, 2.25)] * 5, "num_people": 10}
    for num, outcome in ((10, "unsure"), (0.1, "not_enrolled")):
        candidates = five if num == 10 else [dataclasses.replace(each, llr=-2.1) for each in five]
        uncapped = [(1.9, 2.25)] * 5 if num == 10 else [(-2.3, -1.9)] * 5
        ratios = num * math.exp(2.1) if num == 10 else 10 * math.exp(-2.1)
        ranking = Ranking(**together | {"candidates": candidates, "uncapped": uncapped, "sum_of_ratios": ratios})
        assert decide(ranking, OperatingPoint(0.5), (-8.0, 8.0))[0] == outcome


def test_a_recording_that_may_be_anothers_is_warned_of(gallery, sure, voice):
    anna = sure.voiceprint_of(np.stack([voice(0, take).embedding for take in range(3)]), 5.0)
    mixed = (
        dataclasses.replace(voice(0, take=4), embedding=voice(0, take=4).embedding + share * voice(6).embedding)
        for share in np.linspace(1, 4, 300, dtype=np.float32)
    )
    doubtful = next(each for each in mixed if sure.verify(anna, each).outcome == "unsure")
    made = gallery.enroll("anna", [doubtful])
    assert made.taken == ("recording 1",)
    assert made.warnings[0] == "recording 1 may be of another voice than the others of anna."


def test_names_that_differ_in_letter_case_are_one_too_many(gallery, voice):
    with pytest.raises(ValueError, match="name too much like another: got one that differs from anna"):
        gallery.enroll("Anna", [voice(4)])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"recordings": "a.wav"}, "several recordings: got one for dora"),
        ({"consent": 5}, "consent is a note"),
        ({"keep_until": datetime.datetime(2999, 1, 1)}, "expected a datetime.date"),
    ],
)
def test_what_is_given_wrongly_is_one_clear_error(gallery, voice, wrong, message):
    with pytest.raises(ValueError, match=message):
        gallery.enroll("dora", **{"recordings": [voice(3)], **wrong})
    assert gallery.enroll("dora", [5, None]).refused.keys() == {"recording 1", "recording 2"}
    with pytest.raises(ValueError, match="people told of: got most=0"):
        gallery.identify(voice(0), most=0)


def test_an_export_leaves_the_gallery_alone(gallery):
    with pytest.raises(ValueError, match="file within the gallery"):
        gallery.export(f"{gallery.files.folder}/manifest.json")


def test_nothing_is_embedded_anew_where_there_is_no_gallery(sure, tmp_path):
    with pytest.raises(ValueError, match="no gallery: got no manifest"):
        Gallery.reembed(tmp_path / "typo", sure)
    assert not list(tmp_path.iterdir())


def test_who_began_it_otherwise_meanwhile_is_told_of(sure, voice, recording, tmp_path):
    with_audio = Gallery.open(tmp_path / "new", sure, keep_audio=True)
    Gallery.open(tmp_path / "new", sure).enroll("anna", [voice(0)])
    with pytest.raises(ValueError, match="gallery without recordings"):
        with_audio.enroll("bob", [recording(1)], gates=None)
