"""Recordings as they come in a request: parts of a form, or base64 in JSON."""

import asyncio
import base64
import binascii
from datetime import date
from typing import Annotated, Any, TypeVar, get_args, get_origin

from fastapi import Depends, Request
from pydantic import BaseModel, BeforeValidator, FailFast, Field, ValidationError, WithJsonSchema, model_validator
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from avis.explain.text.sentences import Preset
from avis.foreign import MAX_LETTERS, parse_json
from avis.serving.refusal import RefusedError
from avis.serving.settings import Limits
from avis.verifier.gallery.identification import RANKED

FORM, JSON = "multipart/form-data", "application/json"
MOST_FIELDS, MOST_TEXT = 20, 10_000
MOST_SEVERAL = 1000
"""Recordings in a list, before it is looked at."""
MOST_MARKS = 20_000
"""Commas and brackets of JSON: what is long in it is base64, which has none; many small values take a parser long."""


def _bytes(given: Any) -> bytes:
    """Return the bytes of a part, or those that text stands for."""
    if isinstance(given, bytes):
        return given
    try:
        return base64.b64decode(given, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise ValueError("no base64") from error


Audio = Annotated[
    bytes,
    BeforeValidator(_bytes),
    WithJsonSchema(
        {
            "type": "string",
            "format": "binary",
            "description": "A file of audio in any format that AVIS decodes; in JSON, its bytes in base64.",
        }
    ),
]
Several = Annotated[list[Audio], Field(min_length=1, max_length=MOST_SEVERAL), FailFast()]


class Body(BaseModel, extra="forbid"):
    """What a request brings."""


class OneRecording(Body):
    """One recording."""

    audio: Audio


class TwoRecordings(Body):
    """Two recordings, to be compared."""

    a: Audio
    b: Audio


class Unknown(OneRecording):
    """A recording of somebody."""

    most: Annotated[int, Field(ge=1, le=RANKED, description="How many people are ranked.")] = 5


class Voices(Body):
    """Recordings of somebody who is to be enrolled."""

    audio: Several
    consent: Annotated[str | None, Field(max_length=MOST_TEXT, description="Note of who agreed to what.")] = None
    keep_until: Annotated[date | None, Field(description="The last day on which they may be used.")] = None
    all: Annotated[bool, Field(description="Take also what is short, noisy or of another voice.")] = False


class Trial(Body):
    """Recordings of a person, or the name of one who is enrolled, and the recording to compare."""

    a: Annotated[list[Audio], Field(max_length=MOST_SEVERAL), FailFast()] = []
    speaker: Annotated[str | None, Field(max_length=MAX_LETTERS, description="Who is enrolled, in place of a.")] = None
    b: Audio
    prior: Annotated[float | None, Field(gt=0, lt=1, description="How probable one person was before.")] = None
    quick: Annotated[bool, Field(description="Only what is exact; nothing is changed and tried.")] = False
    preset: Annotated[Preset, Field(description="For whom a page is.")] = "engineer"

    @model_validator(mode="after")
    def _one_of_the_two(self) -> "Trial":
        if bool(self.a) == (self.speaker is not None):
            raise ValueError("either recordings as a, or a speaker")
        return self


class NewName(Body):
    """Another name."""

    name: Annotated[str, Field(min_length=1, max_length=MAX_LETTERS)]


Asked = TypeVar("Asked", bound=Body)


def reading(kind: type[Asked]) -> Any:
    """Return the dependency that reads the body of a request.

    Raises
    ------
    RefusedError
        If it is another.
    """

    async def read(request: Request) -> Asked:
        limits: Limits = request.app.state.service.limits
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media not in (FORM, JSON):
            raise RefusedError(
                415, f"no such body: got {media[:100] or 'no type'}, expected {FORM} or {JSON}. {AT} Send one of these."
            )
        plain = await (
            _form(request, kind, limits) if media == FORM else asyncio.to_thread(_json, await request.body())
        )
        try:
            asked = await asyncio.to_thread(kind.model_validate, plain)
        except ValidationError as error:
            raise not_understood(error) from None
        num = sum(len(each) if isinstance(each, list) else isinstance(each, bytes) for _, each in asked)
        if num > limits.recordings:
            raise RefusedError(
                413, f"too many recordings: got {num}, expected at most {limits.recordings}. {AT} Send fewer."
            )
        return asked

    return Depends(read)


AT = "At the request."


def in_words(kind: type[Body]) -> dict[str, Any]:
    """Return what OpenAPI says of a body."""
    schema = kind.model_json_schema()
    return {"requestBody": {"required": True, "content": {media: {"schema": schema} for media in (FORM, JSON)}}}


def not_understood(error: ValidationError) -> RefusedError:
    """Return the refusal of a body whose first fault is this; what it holds is not repeated."""
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(map(str, first["loc"])) or "the body"
    return RefusedError(
        422, f"request not understood: got another {where} ({first['msg']}), expected what /docs says. {AT}"
    )


def _json(data: bytes) -> dict[str, Any]:
    if (num := sum(map(data.count, (b",", b"[", b"{")))) > MOST_MARKS:
        raise RefusedError(
            422, f"too many values: got {num} commas and brackets, expected at most {MOST_MARKS}. {AT} Send fewer."
        )
    try:
        plain = parse_json(data, "the request")
    except ValueError as error:
        raise RefusedError(422, str(error)) from None
    if len(plain) > MOST_FIELDS:
        raise RefusedError(422, f"too many fields: got {len(plain)}, expected at most {MOST_FIELDS}. {AT} Send fewer.")
    return plain


class _FormParser(MultiPartParser):
    """Knows whether the end has come: starlette drops a part that is cut off."""

    is_whole = False

    def on_end(self) -> None:
        self.is_whole = True


async def _form(request: Request, kind: type[Body], limits: Limits) -> dict[str, Any]:
    """Return the parts of a form; nothing of it touches a disk."""
    parser = _FormParser(
        request.headers,
        request.stream(),
        max_files=limits.recordings,
        max_fields=MOST_FIELDS,
        max_part_size=MOST_TEXT,
    )
    parser.spool_max_size = int(limits.upload_mb * 1e6)
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, UnicodeError, LookupError) as error:
        raise RefusedError(422, f"no form: got {error}, expected parts with names. {AT} Send it again.") from None
    if not parser.is_whole:
        raise RefusedError(422, f"form cut off: got no boundary at its end, expected one. {AT} Send all of it.")
    plain: dict[str, Any] = {}
    for name in form:
        values = [await each.read() if isinstance(each, UploadFile) else each for each in form.getlist(name)]
        plain[name] = values if len(values) > 1 or _takes_several(kind, name) else values[0]
    await form.close()
    return plain


def _takes_several(kind: type[Body], name: str) -> bool:
    field = kind.model_fields.get(name)
    return field is not None and get_origin(field.annotation) is list and bool(get_args(field.annotation))
