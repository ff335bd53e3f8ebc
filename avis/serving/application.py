"""Put the deployments together: one application of Ray Serve."""

from typing import Any

from ray import serve
from ray.serve import Application
from ray.serve.config import AutoscalingConfig

from avis.engine.config import switch_off
from avis.serving.audit import Audit
from avis.serving.decoders import Decoders
from avis.serving.explainers import Explainers
from avis.serving.gallery_writer import GalleryWriter
from avis.serving.ingress import Ingress
from avis.serving.models import Models
from avis.serving.settings import Limits, Settings
from avis.serving.tokens import VARIABLE, Tokens
from avis.verifier import Gallery, Verifier

RETRY_AFTER_S = 1
TOO_MANY = {"status_code": 429, "retry_after_s": RETRY_AFTER_S}
AT_ONCE = {Decoders: 64, Models: 128, Explainers: 2}
"""Calls that a replica takes, beyond those that it works on: a queue of its own keeps it busy, where its callers would
poll. What the gate lets in bounds it."""
WANTED_AT_ONCE = {Decoders: 4, Models: 16, Explainers: 1}
"""With more, there are to be more replicas."""
CPUS_OF_DECODERS, CPUS_OF_OTHERS = 0.5, 0.01
"""Of Ray's, which says how many there may be on a machine: none where one has no CPUs, as the head of a cluster."""


def build(arguments: dict[str, Any]) -> Application:
    """Return the application, for ``serve deploy``; see `avis.serving.settings.Settings` for the arguments.

    Raises
    ------
    ValueError
        If there are no tokens: others reach a cluster; see also `application`.
    """
    optional: dict[str, Any] = {key: arguments[key] for key in ("tokens", "audit") if key in arguments}
    settings = Settings.of({**arguments, **switch_off(optional)})
    tokens = Tokens.read(settings.tokens)
    if not tokens:
        raise ValueError(
            f"no tokens: got none for a cluster, expected some. At tokens and {VARIABLE}. Give a file of tokens, or a "
            "token in the environment of the head."
        )
    return application(settings, tokens)


def application(settings: Settings, tokens: Tokens) -> Application:
    """Return the application.

    Raises
    ------
    ValueError
        If there is no such model, the gallery is another's, or the audit log cannot be written.
    """
    verifier = Verifier.load(settings.verifier)
    Gallery.open(settings.gallery, verifier).files.snapshot()
    Audit(settings.audit, model=verifier.digest)
    limits, num = settings.limits, settings.replicas
    decoders = _deployment(Decoders, num.decoders, limits, num_cpus=CPUS_OF_DECODERS).bind(
        verifier.digest, verifier.hearing, limits
    )
    models = _deployment(Models, num.models, limits, num_cpus=num.cpus_per_model, num_gpus=int(num.use_gpu)).bind(
        settings.verifier, threads=num.cpus_per_model, use_gpu=num.use_gpu
    )
    explainers = _deployment(Explainers, num.explainers, limits).bind(settings.verifier)
    writer = _deployment(GalleryWriter, (1, 1), limits).bind(
        settings.verifier, settings.gallery, settings.audit, models
    )
    ingress = _deployment(serve.ingress()(Ingress), num.ingress, limits)
    return ingress.bind(settings, tokens, decoders, models, explainers, writer)


def _deployment(
    kind: type, replicas: tuple[int, int], limits: Limits, *, num_cpus: float = CPUS_OF_OTHERS, num_gpus: int = 0
) -> serve.Deployment:
    """Return a deployment of some to so many replicas, as many as keep their queues short."""
    fewest, most = replicas
    let_in = 2 * (limits.in_flight + limits.streams)  # by the gate, which refuses more
    return serve.deployment(
        autoscaling_config=AutoscalingConfig(
            min_replicas=fewest, max_replicas=most, target_ongoing_requests=WANTED_AT_ONCE.get(kind, limits.in_flight)
        ),
        max_ongoing_requests=AT_ONCE.get(kind, let_in),
        max_queued_requests=limits.queued,
        backpressure_config=TOO_MANY,
        ray_actor_options={"num_cpus": num_cpus, "num_gpus": num_gpus},
        graceful_shutdown_timeout_s=10,
    )(kind)
