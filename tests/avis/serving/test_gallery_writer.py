"""The one replica that changes the gallery."""

import asyncio
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
    return GalleryWriter(str(tmp_path / "verifier"), str(tmp_path / "gallery"), models)


def test_a_removal_comes_between_enrolments_that_are_being_heard(writer, models, tmp_path):
    told = {"consent": None, "keep_until": None, "all_of_them": True, "model": models.verifier.digest}

    async def both():
        enrolments = [asyncio.create_task(writer.enroll(name, [(talk(1), RATE)], **told)) for name in "abcd"]
        await asyncio.to_thread(models.asked.wait)
        assert await writer.remove("anna", model=models.verifier.digest) == 1
        assert not any(enrolment.done() for enrolment in enrolments)
        models.let.set()
        return await asyncio.gather(*enrolments)

    assert [made.speaker for made in asyncio.run(both())] == [*"abcd"]
    kept = Gallery.open(tmp_path / "gallery", models.verifier).list()
    assert kept["speaker"].to_pylist() == [*"abcd"]


def test_callers_of_another_model_change_nothing(writer):
    told = asyncio.run(writer.remove("anna", model="1" * 64))
    assert told.why.startswith("service goes over to another model")
