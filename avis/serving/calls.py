"""Call replicas, and say in AVIS's words why one gives no answer."""

import asyncio
from typing import Any

from ray.exceptions import RayActorError, RayTaskError, TaskCancelledError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from avis.serving.refusal import RefusedError

TRIES = 3
"""Of what does no harm when it is done twice: replicas may die, and several at once."""
RETRY_AFTER_S = 1.0


async def call(method: Any, *arguments: Any, tries: int = TRIES, **keywords: Any) -> Any:
    """Call a method of a deployment's replicas, and return what it does.

    Parameters
    ----------
    method
        Of a handle.
    *arguments, **keywords
    tries : int
        How often it is called where a replica dies of other things.

    Raises
    ------
    RefusedError
        If there are too many calls, or no replica lives to answer.
    Exception
        What the method raises or returns.
    """
    for left in reversed(range(tries)):
        response = method.remote(*arguments, **keywords)
        try:
            answer = await response
            if isinstance(answer, Exception):  # see `avis.serving.replica.telling`
                raise answer
            return answer
        except asyncio.CancelledError:
            response.cancel()  # it may wait for a replica still
            raise
        except BackPressureError as error:
            raise busy("replicas") from error
        except RayTaskError as error:
            raise error.cause if isinstance(error.cause, Exception) else error from None
        except (RayActorError, DeploymentUnavailableError, TaskCancelledError) as error:
            if not left:
                raise RefusedError(
                    503,
                    f"replica gone: got {type(error).__name__}, expected an answer. At the service. Send it again"
                    f"{'' if tries > 1 else ', after a look whether it was done'}.",
                    retry_after_s=RETRY_AFTER_S,
                ) from error
    raise AssertionError("a try returns or raises")


def busy(what: str, retry_after_s: float = RETRY_AFTER_S) -> RefusedError:
    """Return the refusal of a request that would have to wait for too many others."""
    return RefusedError(
        429,
        f"too busy: got more requests than wait for {what}, expected fewer at once. At the service. Send it again "
        "later.",
        retry_after_s=retry_after_s,
    )
