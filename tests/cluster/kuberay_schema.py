"""What may stand in the objects that KubeRay's operator takes; any other field is refused.

The operator's own definitions take 1 MB each, nearly all of which is the pod of Kubernetes: that part comes from
`kubernetes_validate` here. Ray's part lists what KubeRay's API references for 1.6.2 and 1.7.0 share with older ones,
and, as its newest field, the token authentication of 1.5.1.
"""

import json
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

STRING, TRUTH = {"type": "string"}, {"type": "boolean"}
COUNT = {"type": "integer", "minimum": 0}
STRINGS = {"type": "object", "additionalProperties": STRING}


def one_of(*values: str) -> dict[str, Any]:
    return {"enum": list(values)}


def many(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item}


def of(kind: str) -> dict[str, Any]:
    """Return the schema of a type of Kubernetes."""
    package = "apimachinery.pkg.apis.meta.v1" if kind == "ObjectMeta" else "api.core.v1"
    return {"$ref": f"urn:kubernetes#/$defs/io.k8s.{package}.{kind}"}


def fields(required: tuple[str, ...] = (), /, **properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [*required], "additionalProperties": False}


REDIS_CREDENTIAL = fields(value=STRING, valueFrom=of("EnvVarSource"))
HEAD = fields(
    ("rayStartParams", "template"),
    template=of("PodTemplateSpec"),
    rayStartParams=STRINGS,
    serviceType=one_of("ClusterIP", "NodePort", "LoadBalancer"),
    headService=of("Service"),
    enableIngress=TRUTH,
)
WORKERS = fields(
    ("groupName", "minReplicas", "maxReplicas", "rayStartParams", "template"),
    groupName=STRING,
    replicas=COUNT,
    minReplicas=COUNT,
    maxReplicas=COUNT,
    numOfHosts=COUNT,
    rayStartParams=STRINGS,
    template=of("PodTemplateSpec"),
    scaleStrategy=fields(workersToDelete=many(STRING)),
)
AUTOSCALER = fields(
    resources=of("ResourceRequirements"),
    image=STRING,
    imagePullPolicy=one_of("Always", "Never", "IfNotPresent"),
    securityContext=of("SecurityContext"),
    idleTimeoutSeconds=COUNT,
    upscalingMode=one_of("Default", "Aggressive", "Conservative"),
    env=many(of("EnvVar")),
    envFrom=many(of("EnvFromSource")),
    volumeMounts=many(of("VolumeMount")),
)
FAULT_TOLERANCE = fields(
    ("redisAddress",),
    redisAddress=STRING,
    redisUsername=REDIS_CREDENTIAL,
    redisPassword=REDIS_CREDENTIAL,
    externalStorageNamespace=STRING,
)
CLUSTER = fields(
    ("headGroupSpec",),
    rayVersion=STRING,
    suspend=TRUTH,
    managedBy=one_of("ray.io/kuberay-operator", "kueue.x-k8s.io/multikueue"),
    enableInTreeAutoscaling=TRUTH,
    autoscalerOptions=AUTOSCALER,
    authOptions=fields(mode=one_of("disabled", "token")),
    gcsFaultToleranceOptions=FAULT_TOLERANCE,
    headServiceAnnotations=STRINGS,
    headGroupSpec=HEAD,
    workerGroupSpecs=many(WORKERS),
)
JOB = fields(
    entrypoint=STRING,
    runtimeEnvYAML=STRING,
    jobId=STRING,
    metadata=STRINGS,
    suspend=TRUTH,
    managedBy=one_of("ray.io/kuberay-operator", "kueue.x-k8s.io/multikueue"),
    backoffLimit=COUNT,
    activeDeadlineSeconds={"type": "integer", "minimum": 1},
    ttlSecondsAfterFinished=COUNT,
    shutdownAfterJobFinishes=TRUTH,
    submissionMode=one_of("K8sJobMode", "HTTPMode", "InteractiveMode"),
    submitterConfig=fields(backoffLimit=COUNT),
    submitterPodTemplate=of("PodTemplateSpec"),
    clusterSelector=STRINGS,
    rayClusterSpec=CLUSTER,
    entrypointNumCpus={"type": "number"},
    entrypointNumGpus={"type": "number"},
    entrypointResources=STRING,
)
SERVICE = fields(
    ("rayClusterConfig",),
    serveConfigV2=STRING,
    rayClusterConfig=CLUSTER,
    serveService=of("Service"),
    upgradeStrategy=fields(type=one_of("NewCluster", "None")),
    excludeHeadPodFromServeSvc=TRUTH,
)
SPECS = {"RayCluster": CLUSTER, "RayJob": JOB, "RayService": SERVICE}


@cache
def validator(kind: str, kubernetes: str) -> Draft202012Validator:
    """Return what validates an object of Ray's, on a version of Kubernetes such as ``1.30``."""
    schemas = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{kubernetes}.0-local-strict"
    pods = Resource.from_contents(json.loads((schemas / "_definitions.json").read_text()))
    schema = fields(
        ("apiVersion", "kind", "metadata", "spec"),
        apiVersion=one_of("ray.io/v1"),
        kind=one_of(kind),
        metadata=of("ObjectMeta"),
        spec=SPECS[kind],
    )
    return Draft202012Validator(schema, registry=Registry().with_resource("urn:kubernetes", pods))
