"""What a request is answered with that something went wrong with."""

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from avis.engine.entry import is_users
from avis.serving.refusal import RefusedError
from avis.verifier.gallery.register import NobodyError

BUG = 500
"""Status of what is no fault of the request."""


def refusal_of(error: Exception, *, gallery: str) -> RefusedError:
    """Return the refusal that an error comes to; a bug says no more than that, and where the gallery lies nobody."""
    if isinstance(error, RefusedError):
        return error
    if isinstance(error, HTTPException):
        return RefusedError(
            error.status_code,
            f"no such endpoint: got {error.detail}, expected one of those at /docs. At the path. Correct it.",
        )
    if isinstance(error, RequestValidationError):
        where = ".".join(map(str, error.errors()[0]["loc"]))
        return RefusedError(422, f"request not understood: got another {where}, expected what /docs says. At {where}.")
    if isinstance(error, OSError):
        return RefusedError(
            503,
            f"storage does not answer: got {type(error).__name__}, expected the gallery. At the service. Send it again"
            ".",
            retry_after_s=1.0,
        )
    if is_users(error):
        status = 404 if isinstance(error, NobodyError) else 422
        return RefusedError(status, str(error).replace(gallery, "the gallery"))
    return RefusedError(
        BUG,
        f"a bug of AVIS: got {type(error).__name__}, expected an answer. At the service, whose log says more. Please "
        "report it.",
    )
