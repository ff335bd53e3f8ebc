"""Put the deployments together: one application of Ray Serve."""

from typing import Any

from ray import serve
from ray.serve import Application
from ray.serve.config import AutoscalingConfig

from avis.serving.decoders import Decoders
from avis.serving.explainers import Explainers
from avis.serving.gallery_writer import GalleryWriter
from avis.serving.ingress import Ingress
from avis.serving.models import Models
from avis.serving.settings import Settings
from avis.serving.tokens import VARIABLE, Tokens
from avis.verifier import Verifier

RETRY_AFTER_S = 1
TOO_MANY = {"status_code": 429, "retry_after_s": RETRY_AFTER_S}
AT_ONCE_OF_DECODERS, AT_ONCE_OF_EXPLAINERS, AT_ONCE_OF_MODELS = 16, 2, 32
"""Beyond what they work on: a queue in the replica keeps it busy, where one at its callers is asked for by polling."""
CPUS_OF_DECODERS = 0.5
"""Of Ray's, which says how many there may be on a machine."""


def build(arguments: dict[str, Any]) -> Application:
    """Return the application, for ``serve deploy``; see `avis.serving.settings.Settings` for the arguments.

    Raises
    ------
    ValueError
        If there are no tokens: others reach a cluster.
    """
    settings = Settings.of(arguments)
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
        If there is no such model.
    """
    hearing = Verifier.load(settings.verifier).hearing
    limits, num = settings.limits, settings.replicas
    decoders = _deployment(
        Decoders, num.decoders, at_once=AT_ONCE_OF_DECODERS, queued=limits.queued, num_cpus=CPUS_OF_DECODERS
    ).bind(hearing, limits)
    models = _deployment(
        Models,
        num.models,
        at_once=AT_ONCE_OF_MODELS,
        queued=limits.queued,
        num_cpus=num.cpus_per_model,
        num_gpus=int(num.use_gpu),
    ).bind(settings.verifier, threads=num.cpus_per_model, use_gpu=num.use_gpu)
    explainers = _deployment(
        Explainers, num.explainers, at_once=AT_ONCE_OF_EXPLAINERS, queued=limits.queued, num_cpus=0
    ).bind(settings.verifier)
    writer = _deployment(GalleryWriter, (1, 1), at_once=1, queued=limits.queued, num_cpus=0).bind(
        settings.verifier, settings.gallery, models
    )
    most = 2 * (limits.in_flight + limits.streams)  # beyond which the gate refuses
    ingress = _deployment(serve.ingress()(Ingress), num.ingress, at_once=most, queued=most, num_cpus=0)
    return ingress.bind(settings, tokens, decoders, models, explainers, writer)


def _deployment(
    kind: type, replicas: tuple[int, int], *, at_once: int, queued: int, num_cpus: float, num_gpus: int = 0
) -> serve.Deployment:
    """Return a deployment of some to so many replicas, as many as keep their queues short."""
    fewest, most = replicas
    return serve.deployment(
        autoscaling_config=AutoscalingConfig(
            min_replicas=fewest, max_replicas=most, target_ongoing_requests=max(1, at_once // 2)
        ),
        max_ongoing_requests=at_once,
        max_queued_requests=queued,
        backpressure_config=TOO_MANY,
        ray_actor_options={"num_cpus": num_cpus, "num_gpus": num_gpus},
        graceful_shutdown_timeout_s=10,
    )(kind)
