"""The configuration file that TensorFlow Serving needs in addition to a SavedModel."""

import json
from pathlib import Path


def models_config(name: str, base_path: Path) -> str:
    """Returns the text of a `models.config` that serves the versions in `base_path` as `name`."""
    # Strings of the protobuf text format are quoted as in JSON.
    quoted, path = (json.dumps(str(text), ensure_ascii=False) for text in (name, base_path))
    entry = f'name: {quoted} base_path: {path} model_platform: "tensorflow"'
    return f"model_config_list {{\n  config {{ {entry} }}\n}}\n"
