"""Executes and times the training step that `tools.lower` wrote, without TensorFlow.

    python -m tools.run_lowered FOLDER [--steps N] [--json FILE]

The first step has the same arguments as the step of TensorFlow, and its outputs are compared with
those of TensorFlow. Then N more steps run on the device, each from the state of the previous one,
and the median of their seconds is printed. The compilation of a serialised HLO program uses private
names of jax; it was tested with jax and jaxlib 0.10.2.
"""

import argparse
import json
import time
from pathlib import Path

import jax
import numpy as np
from jax._src import compiler
from jax._src.interpreters import mlir
from jax._src.lib import xla_client
from jax._src.lib.mlir import ir
from jax.extend.mlir import hlo_to_stablehlo

jax.config.update("jax_enable_x64", True)  # counters of steps are int64


class Step:
    """The compiled program: `step(arrays) -> arrays`, on the first device."""

    def __init__(self, program: bytes):
        self._device = jax.devices()[0]
        with mlir.make_ir_context():
            module = ir.Module.parse(hlo_to_stablehlo(program))
        options = compiler.get_compile_options(num_replicas=1, num_partitions=1)
        devices = xla_client.DeviceList((self._device,))
        self._run = self._device.client.compile_and_load(module, devices, options)

    def put(self, arrays: list) -> list[jax.Array]:
        return [jax.device_put(x, self._device) for x in arrays]

    def __call__(self, arrays: list[jax.Array]) -> list[jax.Array]:
        results = self._run.execute_sharded(arrays).disassemble_into_single_device_arrays()
        return [single for (single,) in results]


def run(folder: Path, num_steps: int) -> dict:
    """Runs the steps and returns seconds and the largest difference from TensorFlow.

    The difference of an array is relative to its largest absolute value.
    """
    names = json.loads((folder / "step.json").read_text())
    arguments = dict(np.load(folder / "arguments.npz"))
    inputs = [arguments.pop("image"), arguments.pop("seed"), *arguments.values()]
    start = time.perf_counter()
    step = Step((folder / "step.hlo").read_bytes())
    compiling = time.perf_counter() - start
    inputs = step.put(inputs)
    expected = np.load(folder / "expected.npz").values()
    seconds = []
    for k in range(1 + num_steps):
        start = time.perf_counter()
        outputs = jax.block_until_ready(step(inputs))
        seconds.append(time.perf_counter() - start)
        if k == 0:
            differences = [_difference(a, b) for a, b in zip(outputs, expected, strict=True)]
        # The program overwrites the arguments that it changes, so they must be replaced.
        for place, value in zip(names["changed"], outputs[len(names["metrics"]) :], strict=True):
            inputs[2 + place] = value
        inputs[1] = step.put([np.array([0, k], np.int32)])[0]
    metrics = dict(zip(names["metrics"], map(float, outputs), strict=False))
    return {
        "device": jax.devices()[0].device_kind,
        "compile_seconds": compiling,
        "seconds_per_training_step": float(np.median(seconds[1:])),
        "largest_difference": max(differences),
        "metrics_after": metrics,
    }


def _difference(ours, theirs) -> float:
    scale = np.max(np.abs(theirs)) or 1.0
    return float(np.max(np.abs(np.asarray(ours) - theirs)) / scale)


def main():
    parser = argparse.ArgumentParser(prog="python -m tools.run_lowered")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=20, help="timed steps")
    parser.add_argument("--json", type=Path, help="file for the numbers")
    options = parser.parse_args()
    numbers = run(options.folder, options.steps)
    print(json.dumps(numbers, indent=1))
    if options.json:
        options.json.write_text(json.dumps(numbers, indent=1) + "\n")


if __name__ == "__main__":
    main()
