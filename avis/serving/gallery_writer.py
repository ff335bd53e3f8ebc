"""The replica that changes the gallery."""

import asyncio
import contextlib
import datetime
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from avis.names import name as compared
from avis.serving.audit import Action, Audit
from avis.serving.remote_verifier import RemoteVerifier
from avis.serving.replica import Decoded, another_model, telling
from avis.verifier import Enrolment, Gallery, Gates

HEARD_AT_ONCE = 2
"""Enrolments. A removal of somebody else does not wait for what they hear."""

Made = TypeVar("Made")


class GalleryWriter:
    """Change the gallery, and write it down; there is one such replica.

    What is asked for of one name is done in that order. A change that has begun comes to its end, and into the log,
    even if who asked for it is gone meanwhile.
    """

    def __init__(self, path: str, gallery: str, audit: str | None, models: Any) -> None:
        verifier = RemoteVerifier.load_with(path, models)
        self._gallery, self._audit = Gallery.open(gallery, verifier), Audit(audit, model=verifier.digest)
        self._hearing = asyncio.Semaphore(HEARD_AT_ONCE)
        self._names = WeakValueDictionary[str, asyncio.Lock]()
        self._under_way = set[asyncio.Task[Any]]()

    async def enroll(
        self,
        speaker: str,
        recordings: list[Decoded],
        *,
        consent: str | None,
        keep_until: datetime.date | None,
        all_of_them: bool,
        who: str,
        model: str,
    ) -> Enrolment | Exception:
        """Enrol somebody; see `avis.verifier.Gallery.enroll`."""
        gates = None if all_of_them else Gates()

        def enrolled() -> Enrolment:
            told: dict[str, Any] = {"consent": consent, "keep_until": keep_until, "gates": gates}
            made = self._gallery.enroll(speaker, recordings, **told)
            self._write(who, "enrol", "taken" if made.taken else "refused", made.speaker)
            return made

        async def heard() -> Any:
            async with self._hearing:
                return await asyncio.to_thread(telling(enrolled))

        return await self._to_its_end(model, [speaker], heard)

    async def rename(self, speaker: str, to: str, *, who: str, model: str) -> Exception | None:
        """Give somebody another name."""

        def renamed() -> None:
            self._gallery.rename(speaker, to)
            self._write(who, "rename", f"to {compared(to)}", speaker)

        return await self._to_its_end(model, [speaker, to], lambda: asyncio.to_thread(telling(renamed)))

    async def remove(self, speaker: str, *, who: str, model: str) -> int | Exception:
        """Remove somebody, and return how many recordings of them there were."""

        def removed() -> int:
            num_recordings = self._gallery.remove(speaker)
            self._write(who, "remove", "removed", speaker)
            return num_recordings

        return await self._to_its_end(model, [speaker], lambda: asyncio.to_thread(telling(removed)))

    def _write(self, who: str, action: Action, outcome: str, speaker: str) -> None:
        self._audit.write(who, action, outcome, speaker=compared(speaker))

    async def _to_its_end(
        self, model: str, names: list[str], change: Callable[[], Coroutine[Any, Any, Made]]
    ) -> Made | Exception:
        if refusal := another_model(self._gallery.verifier.digest, model):
            return refusal

        async def changed() -> Made:
            async with contextlib.AsyncExitStack() as held:
                for each in sorted({*map(compared, names)}):
                    await held.enter_async_context(self._names.setdefault(each, asyncio.Lock()))
                return await change()

        task = asyncio.create_task(changed())
        self._under_way.add(task)  # which asyncio itself would forget
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)
