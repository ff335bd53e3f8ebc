"""The replica that changes the gallery."""

import datetime
from typing import Any

from avis.serving.remote_verifier import RemoteVerifier
from avis.serving.replica import Decoded, telling
from avis.verifier import Enrolment, Gallery, Gates


class GalleryWriter:
    """Change the gallery, one change at a time; there is one such replica."""

    def __init__(self, path: str, gallery: str, models: Any) -> None:
        self._gallery = Gallery.open(gallery, RemoteVerifier.load_with(path, models))

    @telling
    def enroll(
        self,
        speaker: str,
        recordings: list[Decoded],
        *,
        consent: str | None,
        keep_until: datetime.date | None,
        all_of_them: bool,
    ) -> Enrolment:
        """Enrol somebody; see `avis.verifier.Gallery.enroll`."""
        gates = None if all_of_them else Gates()
        return self._gallery.enroll(speaker, recordings, consent=consent, keep_until=keep_until, gates=gates)

    @telling
    def rename(self, speaker: str, to: str) -> None:
        """Give somebody another name."""
        self._gallery.rename(speaker, to)

    @telling
    def remove(self, speaker: str) -> int:
        """Remove somebody, and return how many recordings of them there were."""
        return self._gallery.remove(speaker)
