"""Who may do what: bearer tokens and their scopes."""

import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, Field, ValidationError

from avis import location

VARIABLE = "AVIS_TOKEN"
"""Environment variable; a token for everything."""
LEAST_LETTERS = 16
ADVICE = "Correct it; python -c 'import secrets; print(secrets.token_urlsafe())' makes a token."

Scope = Literal["verify", "enrol", "admin"]


@dataclass(frozen=True)
class Caller:
    """Who calls, by the name of a token, and what that is for; ``admin`` is for everything."""

    name: str
    scopes: frozenset[Scope]

    def may(self, scope: Scope) -> bool:
        """Return whether the token is for this."""
        return scope in self.scopes or "admin" in self.scopes


ANYONE = Caller("anyone", frozenset(["admin"]))
"""Who calls where there are no tokens."""


class _Entry(BaseModel, extra="forbid"):
    token: Annotated[str, Field(min_length=LEAST_LETTERS, pattern="^[\x21-\x7e]+$")]
    scopes: Annotated[list[Scope], Field(min_length=1)]


class _File(BaseModel, extra="forbid"):
    tokens: Annotated[dict[Annotated[str, Field(pattern=r"^[\w.-]{1,64}$")], _Entry], Field(min_length=1)]

    @classmethod
    def checked(cls, plain: Any, where: str) -> dict[str, _Entry]:
        """Return the tokens of plain data; what stands there is not repeated."""
        try:
            return cls.model_validate(plain).tokens
        except ValidationError as error:
            key = ".".join(map(str, error.errors()[0]["loc"])) or "file"
            raise ValueError(
                f"no tokens: got another {key}, expected 'tokens' with, by name, a 'token' of {LEAST_LETTERS} letters "
                f"or more and 'scopes' of verify, enrol and admin. At {where}. {ADVICE}"
            ) from None


class Tokens:
    """The tokens that are accepted, of which only digests are kept.

    Parameters
    ----------
    callers : mapping of str to Caller
        By token.

    Examples
    --------
    >>> tokens = Tokens({"wide open sesame": Caller("ali", frozenset(["verify"]))})
    >>> tokens.caller("wide open sesame").name, tokens.caller("wide open barley")
    ('ali', None)
    """

    def __init__(self, callers: Mapping[str, Caller]) -> None:
        self._callers = {_digest(token): caller for token, caller in callers.items()}

    @classmethod
    def read(cls, file: str | None) -> "Tokens":
        """Read the token of the environment, and those of a file in YAML or JSON.

        In the file ``tokens`` has, by its name, each ``token`` and the list of its ``scopes``.

        Raises
        ------
        ValueError
            If one is too short, or the file is another.
        """
        given = {} if file is None else _read(file)
        if (one := os.environ.get(VARIABLE)) is not None:
            given |= _File.checked({"tokens": {VARIABLE: {"token": one, "scopes": ["admin"]}}}, VARIABLE)
        if len({each.token for each in given.values()}) < len(given):
            raise ValueError(
                f"one token twice: got the same for two of {', '.join(given)}, expected one each. At {file}. {ADVICE}"
            )
        return cls({each.token: Caller(name, frozenset(each.scopes)) for name, each in given.items()})

    def __len__(self) -> int:
        return len(self._callers)

    def caller(self, token: str | None) -> Caller | None:
        """Return whose token it is; the time that takes tells nothing of other tokens."""
        given, found = _digest(token or ""), None
        for digest, caller in self._callers.items():
            if hmac.compare_digest(digest, given):
                found = caller
        return found


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _read(file: str) -> dict[str, _Entry]:
    where = location.absolute(file)
    try:
        plain = yaml.safe_load(location.read_bytes(where))
    except (FileNotFoundError, yaml.YAMLError, UnicodeDecodeError) as error:
        found = type(error).__name__  # and not what stands there
        raise ValueError(f"no tokens: got {found}, expected a file of YAML or JSON. At {where}. {ADVICE}") from None
    return _File.checked(plain, where)
