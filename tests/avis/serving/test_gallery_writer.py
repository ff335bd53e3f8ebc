"""The one replica that changes the gallery."""

import asyncio
import json
import threading

import pytest

from avis.serving.gallery_writer import GalleryWriter
from avis.verifier import Gallery, Verifier
from avis.verifier.folder import write_folder
from tests.avis.conftest import RATE, talk


class SlowModels:
    """A model's replicas that embed once they are let."""

    def __init__(self, verifier: Verifier) -> None:
        self.verifier, self.asked, self.let = verifier, threading.Event(), threading.Event()
        self.embedding = self

    async def remote(self, values, *, model):
        self.asked.set()
        await asyncio.to_thread(self.let.wait)
        assert model == self.verifier.digest
        return self.verifier.embedding_of(values)


@pytest.fixture
def models(parts, tmp_path):
    write_folder(str(tmp_path / "verifier"), parts)
    return SlowModels(Verifier.load(str(tmp_path / "verifier")))


@pytest.fixture
def writer(models, tmp_path):
    Gallery.open(tmp_path / "gallery", models.verifier).enroll("anna", [(talk(0), RATE)], gates=None)
    audit = str(tmp_path / "audit.jsonl")
    return GalleryWriter(str(tmp_path / "verifier"), str(tmp_path / "gallery"), audit, models)


def told(models, **more):
    return {"who": "desk", "model": models.verifier.digest, **more}


def enrol(writer, models, name):
    settings = {"consent": None, "keep_until": None, "all_of_them": True}
    return asyncio.create_task(writer.enroll(name, [(talk(1), RATE)], **told(models, **settings)))


def names(models, tmp_path):
    return Gallery.open(tmp_path / "gallery", models.verifier).list()["speaker"].to_pylist()


def logged(tmp_path):
    lines = map(json.loads, (tmp_path / "audit.jsonl").read_text().splitlines())
    return [(line["who"], line["action"], line["outcome"], line["speaker"]) for line in lines]


def test_a_removal_comes_between_enrolments_that_are_being_heard(writer, models, tmp_path):
    async def both():
        enrolments = [enrol(writer, models, name) for name in "abcd"]
        await asyncio.to_thread(models.asked.wait)
        assert await writer.remove("anna", **told(models)) == 1
        assert not any(enrolment.done() for enrolment in enrolments)
        models.let.set()
        return await asyncio.gather(*enrolments)

    assert [made.speaker for made in asyncio.run(both())] == [*"abcd"]
    assert names(models, tmp_path) == [*"abcd"]


def test_who_is_removed_is_not_brought_back_by_an_earlier_enrolment(writer, models, tmp_path):
    async def both():
        enrolment = enrol(writer, models, "anna")
        await asyncio.to_thread(models.asked.wait)
        removal = asyncio.create_task(writer.remove(" anna", **told(models)))
        await asyncio.sleep(0.1)
        assert not removal.done()
        models.let.set()
        return await enrolment, await removal

    made, num_recordings = asyncio.run(both())
    assert (made.num_recordings, num_recordings) == (2, 2)
    assert names(models, tmp_path) == []
    assert logged(tmp_path) == [("desk", "enrol", "taken", "anna"), ("desk", "remove", "removed", "anna")]


def test_a_change_comes_to_its_end_and_into_the_log_when_who_asked_is_gone(writer, models, tmp_path):
    async def leaves():
        asked = enrol(writer, models, "otto")
        await asyncio.to_thread(models.asked.wait)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        models.let.set()
        while writer._under_way:
            await asyncio.sleep(0.01)

    asyncio.run(leaves())
    assert names(models, tmp_path) == ["anna", "otto"]
    assert logged(tmp_path) == [("desk", "enrol", "taken", "otto")]


def test_names_are_exchanged_without_waiting_for_each_other(writer, models, tmp_path):
    async def exchange():
        models.let.set()
        await enrol(writer, models, "otto")
        renamed = (writer.rename(one, other, **told(models)) for one, other in (("anna", "otto"), ("otto", "anna")))
        return await asyncio.wait_for(asyncio.gather(*renamed), 60)

    assert ["name taken" in str(fault) for fault in asyncio.run(exchange())] == [True, True]


def test_callers_of_another_model_change_nothing(writer):
    refusal = asyncio.run(writer.remove("anna", who="desk", model="1" * 64))
    assert refusal.why.startswith("service goes over to another model")
