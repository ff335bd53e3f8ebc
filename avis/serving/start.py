"""Start the service on this machine, and stop it."""

import contextlib
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import ray
from ray import serve
from ray.serve.config import HTTPOptions, ProxyLocation
from ray.serve.schema import LoggingConfig

from avis.engine.workers.compute import Compute
from avis.serving.application import CPUS_OF_DECODERS, CPUS_OF_OTHERS, application
from avis.serving.settings import Settings
from avis.serving.tokens import VARIABLE, Tokens

APP = "avis"
PRIVATE_RAY = Compute(where="local", num_workers=None, use_gpu=None, max_restarts=0)


def run(settings: Settings) -> None:
    """Serve until this process is told to stop, which ends it well.

    Raises
    ------
    ValueError
        See `serving`.
    """
    with contextlib.suppress(KeyboardInterrupt), serving(settings) as url:
        print(f"serving {settings.verifier} at {url}: {url}/docs says how, Ctrl-C stops", flush=True)
        threading.Event().wait()
    print("stopped", flush=True)


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """Serve within, by the Ray that there is or one of its own, and yield the URL.

    Raises
    ------
    ValueError
        If others could reach it without tokens, the model or the port is not to be had, or there are too few CPUs.
    """
    tokens = Tokens.read(settings.tokens)
    _check_reach(settings, tokens)
    port = free_port_of(settings)
    app = application(settings, tokens)
    is_guest = ray.is_initialized()
    PRIVATE_RAY.connect()
    _check_room(settings)
    quiet = LoggingConfig(log_level=logging.WARNING, enable_access_log=False)
    serve.start(
        proxy_location=ProxyLocation.HeadOnly,
        http_options=HTTPOptions(
            host=settings.host,
            port=port,
            ssl_certfile=settings.tls.certificate,
            ssl_keyfile=settings.tls.key,
        ),
        logging_config=quiet,
    )
    try:
        serve.run(app, name=APP, logging_config=quiet)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        yield f"{'http' if settings.tls.key is None else 'https'}://{host}:{port}"
    finally:
        serve.delete(APP)  # which lets requests end that are under way
        (serve if is_guest else ray).shutdown()


def _check_reach(settings: Settings, tokens: Tokens) -> None:
    """Refuse a service without tokens that others could reach; warn of one that all of this machine can."""
    if tokens:
        return
    if not settings.is_local:
        raise ValueError(
            f"no tokens: got none for host={settings.host}, which others can reach, expected some. At tokens and "
            f"{VARIABLE}. Give a file of tokens, set {VARIABLE}, or listen at 127.0.0.1."
        )
    print(
        f"warning: no tokens: everybody on this machine may verify, enrol and remove; set {VARIABLE} or tokens=<file>",
        flush=True,
    )


def free_port_of(settings: Settings) -> int:
    """Return the port to listen at."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((settings.host, settings.port))
            return int(tried.getsockname()[1])
        except OSError as error:
            raise ValueError(
                f"port not to be had: got {error.strerror}, expected a free one. At host={settings.host} "
                f"port={settings.port}. Stop what listens there, or give port=<another>."
            ) from error


def _check_room(settings: Settings) -> None:
    num, there = settings.replicas, ray.cluster_resources()
    cpus = num.models[0] * num.cpus_per_model + num.decoders[0] * CPUS_OF_DECODERS
    cpus += (num.ingress[0] + num.explainers[0] + 1) * CPUS_OF_OTHERS
    needed = {"CPU": cpus, "GPU": num.models[0] * num.use_gpu}
    for kind, least in needed.items():
        if there.get(kind, 0) < least:
            raise ValueError(
                f"too few of a kind for the replicas: got {there.get(kind, 0):g} of {kind}, expected {least:g}. At "
                "replicas. Lower replicas.models, replicas.decoders or replicas.cpus_per_model, which leave the others "
                "too little."
            )
