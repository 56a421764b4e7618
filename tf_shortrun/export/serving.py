"""The files that TensorFlow Serving needs in addition to a SavedModel, and those of a deployment.

`models.config` lies in the folder of the run; `serving/` beside it has what joins calls together
(`batching.config`), a `compose.yaml` for docker and a `kubernetes.yaml`. The last two are written
by the documentation of the server; no container was started with them.
"""

import json
from pathlib import Path

from tf_shortrun.core.files import replace_text

IMAGE = "tensorflow/serving:2.21.0"
_MAX_ROWS = 64
# How long the first of the calls waits that are put together, and how many batches may wait.
_BATCHING = """max_batch_size {{ value: {rows} }}
batch_timeout_micros {{ value: 2000 }}
max_enqueued_batches {{ value: 100 }}
num_batch_threads {{ value: 4 }}
"""
_OPTIONS = (
    "--port=8500",
    "--rest_api_port=8501",
    "--rest_api_timeout_in_ms=300000",
    "--model_config_file=/models/serving/models.config",
    "--enable_batching",
    "--batching_parameters_file=/models/serving/batching.config",
)


def write(workdir: Path, name: str, most: int) -> None:
    """Writes `models.config` and the files in `serving/`.

    In a container the folder of the run is /models, so `serving/models.config` names that.

    Args:
      most: how many rows a call may have; those that a server puts together may not have more.
    """
    base = workdir.resolve() / "saved_model"
    replace_text(workdir / "models.config", models_config(name, base))
    place = workdir / "serving"
    place.mkdir(exist_ok=True)
    texts = {
        "models.config": models_config(name, Path("/models/saved_model")),
        "batching.config": _BATCHING.format(rows=min(_MAX_ROWS, most)),
        "compose.yaml": _compose(),
        "kubernetes.yaml": _kubernetes(name),
    }
    for file, text in texts.items():
        replace_text(place / file, text)


def models_config(name: str, base_path: Path) -> str:
    """Returns the text of a `models.config` that serves the newest version in `base_path`."""
    # Strings of the protobuf text format are quoted as in JSON.
    quoted, path = (json.dumps(str(text), ensure_ascii=False) for text in (name, base_path))
    entry = f'name: {quoted} base_path: {path} model_platform: "tensorflow"'
    return f"model_config_list {{\n  config {{ {entry} }}\n}}\n"


def _compose() -> str:
    options = "\n".join(f"      - {option}" for option in _OPTIONS)
    return f"""# docker compose -f serving/compose.yaml up, in the folder of the run. Not tried.
services:
  model:
    image: {IMAGE}
    entrypoint: [tensorflow_model_server]
    command:
{options}
    ports: ["8500:8500", "8501:8501"]
    volumes: ["..:/models:ro"]
"""


def _kubernetes(name: str) -> str:
    label = name.lower().replace("_", "-").replace(".", "-").strip("-")[:50]
    options = "\n".join(f"            - {option}" for option in _OPTIONS)
    return f"""# Not tried. The claim must hold the folder of the run: saved_model/ and serving/.
apiVersion: apps/v1
kind: Deployment
metadata: {{ name: model-{label} }}
spec:
  selector: {{ matchLabels: {{ app: model-{label} }} }}
  template:
    metadata: {{ labels: {{ app: model-{label} }} }}
    spec:
      containers:
        - name: serving
          image: {IMAGE}
          command: [tensorflow_model_server]
          args:
{options}
          ports: [{{ containerPort: 8500 }}, {{ containerPort: 8501 }}]
          readinessProbe:
            httpGet: {{ path: /v1/models/{name}, port: 8501 }}
          volumeMounts: [{{ name: run, mountPath: /models, readOnly: true }}]
      volumes:
        - name: run
          persistentVolumeClaim: {{ claimName: model-{label} }}
---
apiVersion: v1
kind: Service
metadata: {{ name: model-{label} }}
spec:
  selector: {{ app: model-{label} }}
  ports:
    - {{ name: grpc, port: 8500 }}
    - {{ name: rest, port: 8501 }}
"""
