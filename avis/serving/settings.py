"""What is served, where, and within which bounds."""

import ipaddress
import os
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, field_validator, model_validator

from avis import location
from avis.foreign import validated

Port = Annotated[int, Field(ge=0, le=65535)]


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Tls(_Group):
    """Files of a certificate and its key, in PEM; with neither, HTTP is spoken."""

    certificate: str | None = None
    key: str | None = None

    @model_validator(mode="after")
    def _both_or_neither(self) -> "Tls":
        if (self.certificate is None) != (self.key is None):
            raise ValueError("a certificate goes with its key")
        return self


class Limits(_Group):
    """Bounds of what is taken from outside.

    Attributes
    ----------
    upload_mb : float
        Of one request.
    recordings : int
        In one request.
    audio_s : float
        Seconds of one recording, decoded.
    channels : int
        Of one recording.
    decode_s, decode_memory_mb : float
        What the decoder may take of time and memory over one recording.
    explained_s : float
        Seconds of all recordings of one explanation, of which some are embedded a hundred times.
    upload_s, timeout_s : float
        From the first byte of a request to its last, and to the answer.
    in_flight, streams : int
        Requests and streams at once, for each replica of the ingress; where there are several tokens, half of them for
        each at most.
    queued : int
        Requests that wait for the replicas of one kind.
    requests_per_s, burst : float
        For each token and replica of the ingress: in the long run, and at once.
    stream_idle_s, stream_s : float
        Seconds without a message after which a stream is ended, and after which it is in any case.
    """

    upload_mb: PositiveFloat = 25.0
    recordings: PositiveInt = 20
    audio_s: PositiveFloat = 600.0
    channels: PositiveInt = 8
    decode_s: PositiveFloat = 20.0
    decode_memory_mb: PositiveFloat = 2048.0
    explained_s: PositiveFloat = 120.0
    upload_s: PositiveFloat = 30.0
    timeout_s: PositiveFloat = 60.0
    in_flight: PositiveInt = 64
    streams: PositiveInt = 32
    queued: PositiveInt = 64
    requests_per_s: PositiveFloat = 50.0
    burst: PositiveFloat = 100.0
    stream_idle_s: PositiveFloat = 30.0
    stream_s: PositiveFloat = 3600.0


class Replicas(_Group):
    """How many processes there are of each kind: the fewest and the most, by the length of their queue.

    Attributes
    ----------
    cpus_per_model : int
        Threads of a replica of the model, each of which embeds a recording of its own.
    use_gpu : bool
        Whether each replica of the model has a GPU.
    """

    ingress: tuple[PositiveInt, PositiveInt] = (1, 1)
    decoders: tuple[PositiveInt, PositiveInt] = (1, 2)
    models: tuple[PositiveInt, PositiveInt] = (1, 1)
    explainers: tuple[PositiveInt, PositiveInt] = (1, 1)
    cpus_per_model: PositiveInt = 2
    use_gpu: bool = False

    @field_validator("ingress", "decoders", "models", "explainers")
    @classmethod
    def _in_order(cls, given: tuple[int, int]) -> tuple[int, int]:
        if given[0] > given[1]:
            raise ValueError("the fewest are no more than the most")
        return given


class Settings(_Group):
    """What is served, where, and within which bounds.

    Attributes
    ----------
    verifier : str
        Folder of a run or of its verifier.
    gallery : str
        Folder or URI of the people who are enrolled.
    host, port
        Where it listens; with port 0, at any port.
    tokens : str or None
        A file of tokens; see `avis.serving.tokens.Tokens`.
    audit : str or None
        A local file to write down in who was enrolled, removed and decided about; None writes nothing down.
    """

    verifier: str
    gallery: str
    host: str = "127.0.0.1"
    port: Port = 8000
    tokens: str | None = None
    tls: Tls = Tls()
    audit: str | None = None
    limits: Limits = Limits()
    replicas: Replicas = Replicas()

    @field_validator("audit")
    @classmethod
    def _local(cls, audit: str | None) -> str | None:
        if audit is not None and location.is_uri(audit):
            raise ValueError("lines can be added to local files alone")
        return None if audit is None else os.path.abspath(audit)

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> "Settings":
        """Return the settings that plain data stands for.

        Raises
        ------
        ValueError
            Naming the first that does not fit.
        """
        return validated(
            cls, dict(plain), what="wrong value", where="the settings of the service", advice="Correct the value."
        )

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, seen by itself alone.

    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "example.org")]
    [True, True, True, False, False]
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
