"""Calls of replicas, and what comes of them when nobody waits any longer."""

import asyncio

import pytest

from avis.serving.calls import call
from avis.serving.refusal import RefusedError
from avis.serving.replica import answering


class Doubler:
    """A replica of model ``a``."""

    model = "a" * 64

    @answering
    def doubled(self, number: int) -> int:
        if number < 0:
            raise ValueError("too small")
        return 2 * number


def test_a_replica_answers_callers_of_its_model_alone():
    assert Doubler().doubled(2, model="a" * 64) == 4
    told = Doubler().doubled(2, model="b" * 64)
    assert (told.status, told.retry_after_s) == (503, 1.0)
    assert told.why.startswith("service goes over to another model: got a replica of aaaaaaaaaaaa, expected one of bbb")


def test_a_fault_of_what_it_was_given_is_told_and_not_raised():
    assert str(Doubler().doubled(-1, model="a" * 64)) == "too small"


class Response:
    """What Ray Serve gives for a call: it comes never, and can be called off."""

    def __init__(self) -> None:
        self.is_cancelled = False

    def __await__(self):
        return asyncio.sleep(60).__await__()

    def cancel(self) -> None:
        self.is_cancelled = True


def test_a_call_that_nobody_waits_for_is_called_off():
    response = Response()

    class Method:
        remote = staticmethod(lambda *_, **__: response)

    async def gives_up():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(call(Method(), "a", model="b"), 0.05)

    asyncio.run(gives_up())
    assert response.is_cancelled


def test_what_a_replica_returns_as_a_fault_is_raised():
    class Refused(Response):
        def __await__(self):
            yield from asyncio.sleep(0).__await__()
            return RefusedError(413, "too large")

    class Method:
        remote = staticmethod(lambda *_, **__: Refused())

    with pytest.raises(RefusedError) as refused:
        asyncio.run(call(Method()))
    assert refused.value.status == 413
