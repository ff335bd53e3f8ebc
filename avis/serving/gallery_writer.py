"""The replica that changes the gallery."""

import asyncio
import datetime
from typing import Any

from avis.serving.remote_verifier import RemoteVerifier
from avis.serving.replica import Decoded, another_model, telling
from avis.verifier import Enrolment, Gallery, Gates

HEARD_AT_ONCE = 2
"""Enrolments. Nothing waits for what they hear: a removal comes between."""


class GalleryWriter:
    """Change the gallery, one change at a time; there is one such replica."""

    def __init__(self, path: str, gallery: str, models: Any) -> None:
        self._gallery = Gallery.open(gallery, RemoteVerifier.load_with(path, models))
        self._hearing = asyncio.Semaphore(HEARD_AT_ONCE)

    async def enroll(
        self,
        speaker: str,
        recordings: list[Decoded],
        *,
        consent: str | None,
        keep_until: datetime.date | None,
        all_of_them: bool,
        model: str,
    ) -> Enrolment | Exception:
        """Enrol somebody; see `avis.verifier.Gallery.enroll`."""
        gates = None if all_of_them else Gates()
        told = {"consent": consent, "keep_until": keep_until, "gates": gates}
        async with self._hearing:
            return await self._done(model, self._gallery.enroll, speaker, recordings, **told)

    async def rename(self, speaker: str, to: str, *, model: str) -> Exception | None:
        """Give somebody another name."""
        return await self._done(model, self._gallery.rename, speaker, to)

    async def remove(self, speaker: str, *, model: str) -> int | Exception:
        """Remove somebody, and return how many recordings of them there were."""
        return await self._done(model, self._gallery.remove, speaker)

    async def _done(self, model: str, change: Any, *given: Any, **named: Any) -> Any:
        refusal = another_model(self._gallery.verifier.digest, model)
        return refusal or await asyncio.to_thread(telling(change), *given, **named)
