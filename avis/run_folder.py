"""Names of what lies in a run's folder."""

CONFIG = "config.json"
CHECKPOINTS = "checkpoints"
METRICS, REPORT = "metrics.json", "report.html"
RAY_LOG = "ray.log"
LOGS = ("csv", "tensorboard")
RAY_TRAIN = "ray_train"
