"""The verb `doctor`: what is installed and found here, and whether a compiled chain is right."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from tf_shortrun.core import allocator, noise
from tf_shortrun.kernels.langevin import LangevinState, make_step
from tf_shortrun.kernels.unroll import unroll
from tf_shortrun.reporting import provenance

_ROUNDING = 1e-4  # in latents of size 1, after a chain of ten steps


def doctor():
    """Prints a line for each fact; the text can be pasted into a question."""
    for name, value in _facts():
        print(f"{name:24s} {value}")


def _facts() -> Iterator[tuple[str, object]]:
    yield from provenance.versions().items()
    yield from provenance.hardware().items()
    yield "devices", " ".join(d.name for d in tf.config.list_logical_devices())
    yield "oneDNN", _onednn()
    yield "XLA by default", "on" if tf.config.optimizer.get_jit() else "off"
    yield "memory of tensors", allocator.keep_memory()
    yield "free disk here", _free(Path.cwd())
    yield "free disk for drafts", _free(Path(tempfile.gettempdir()))
    yield from _data()
    yield from _chain()


def _onednn() -> str:
    switch = os.environ.get("TF_ENABLE_ONEDNN_OPTS", "on where the processor has it")
    return "off, TF_ENABLE_ONEDNN_OPTS is 0" if switch == "0" else switch


def _free(folder: Path) -> str:
    return f"{shutil.disk_usage(folder).free / 2**30:.1f} GiB in {folder}"


def _data() -> Iterator[tuple[str, str]]:
    folder = Path(os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")).expanduser()
    prepared = sorted({p.parents[1].name for p in folder.glob("*/*/dataset_info.json")})
    yield "data in", f"{folder}: {' '.join(prepared) or 'none'}"
    if not prepared:
        yield "what to do", "run python -m tools.prepare_data mnist, or set TFDS_DATA_DIR"


def _chain() -> Iterator[tuple[str, str]]:
    """Yields how far a compiled chain of Langevin steps is from the same chain step by step."""
    chain = _langevin_chain()
    with_graph = tf.function(chain, autograph=False)()
    try:
        tf.config.run_functions_eagerly(True)
        eager = chain()
    finally:
        tf.config.run_functions_eagerly(False)
    yield "chain, graph and eager", _verdict(with_graph, eager)


def _langevin_chain():
    """Returns a function that runs ten steps towards a Gaussian of two layers."""

    def log_prob(latents):
        return -tf.add_n([tf.reduce_sum((z - 1.0) ** 2, -1) for z in latents])

    start = [noise.normal(noise.make_seed(layer), [8, 4]) for layer in range(2)]
    sizes, step = tf.fill([10, 2], 0.05), make_step(log_prob, noise_scale=1.0)
    return lambda: unroll(step, LangevinState(start), sizes, noise.make_seed(2))[0].latents


def _verdict(one, other) -> str:
    far = max(float(np.abs(a - b).max()) for a, b in zip(one, other, strict=True))
    if far <= _ROUNDING:
        return f"agree, largest difference {far:.1g}"
    return f"DISAGREE by {far:.1g}: reinstall the versions of requirements.txt"
