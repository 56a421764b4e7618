"""Proof that a change of the code's layout changes nothing that a pin computes.

    python -m tools.digests --out=FILE [--only=GLOB] [--data=FOLDER] [--jobs=2]
    python -m tools.digests --check FILE      prints what differs; exit code 1 if anything does
    python -m tools.digests --gin_file=reproduce/digits.gin      one, in this process

A digest is the sha256 over all that a checkpoint holds after five updates: weights, optimizers,
banks, sigma, step sizes. An array counts with its type, shape and bytes, and arrays are taken in
the order of their own hashes: no name of a module, a variable or a file is in it. There is a digest
for every pin, at cpu scale if it has one, and for every variant of a pin and arm of a study that
takes another way through the code (`tools/code_paths.py`).

Updates are those of `train` with the pin's seed, on 10 of the first 20 training examples, so that
banks are visited again. A learner with stages goes through all of them; one that adapts does so
before updates 1 and 4. "data" is the data set and a hash of all of it, or noise of its shape where
it is not here. Each digest has a process of its own with one thread, so that bits repeat: on one
machine with one TensorFlow, on no other. What evals compute is not in it.
"""

import tf_shortrun.cli.startup  # isort: skip  # noqa: F401, before anything imports TensorFlow

import dataclasses
import fnmatch
import functools
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import tensorflow as tf

from tf_shortrun.cli import config
from tf_shortrun.core.capabilities import can
from tf_shortrun.core.contracts import Staged
from tf_shortrun.core.errors import InputError
from tf_shortrun.reporting import provenance
from tf_shortrun.training.train import train
from tools import command
from tools.code_paths import Cases, all_cases, distinct, split

ROOT = Path(__file__).resolve().parents[1]
NOISE = "gin/data/noise.gin"
NUM_UPDATES, BATCH_SIZE, NUM_EXAMPLES, ADAPT_EVERY = 5, 10, 20, 3


def compute(settings: list[str]) -> dict:
    """The entry of one experiment."""
    experiment = _load(*split(settings))
    data = experiment.dataset
    few = data.train._make(part[:NUM_EXAMPLES] for part in data.train)
    short = dataclasses.replace(
        experiment,
        dataset=dataclasses.replace(data, train=few),
        batch_size=BATCH_SIZE,
        num_steps=NUM_UPDATES,
        adapt_every=experiment.adapt_every and ADAPT_EVERY,
    )
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with config.explained():
        learner = short.build(strategy)
    if can(learner, Staged):
        _hasten(learner, experiment.num_steps)
    with tempfile.TemporaryDirectory() as folder:
        train(short, strategy, learner, Path(folder))
    arrays, seen = arrays_of(learner.state), digest([*data.train, *data.test])[:16]
    named = f"{data.name} {seen}"
    return {"sha256": digest(arrays), "data": named, "num_variables": len(arrays)}


def arrays_of(state: dict) -> list[np.ndarray]:
    """What a checkpoint of this state holds."""
    with tempfile.TemporaryDirectory() as folder:
        path = tf.train.Checkpoint(**state).write(f"{folder}/state")
        reader = tf.train.load_checkpoint(path)
        names = reader.get_variable_to_shape_map().keys() - {"_CHECKPOINTABLE_OBJECT_GRAPH"}
        return [np.asarray(reader.get_tensor(name)) for name in names]


def digest(arrays: Iterable[np.ndarray]) -> str:
    """Of types, shapes and bytes, whatever the order."""
    parts = [f"{x.dtype} {x.shape} {hashlib.sha256(x.tobytes()).hexdigest()}" for x in arrays]
    return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()


def _hasten(learner: Staged, num_steps: int):
    """The first updates come from all stages of `num_steps` in turn, most from the last one."""
    stages = list(dict.fromkeys(map(learner.update_at, range(1, num_steps + 1))))
    updates = [stage for stage in stages for _ in range(NUM_UPDATES // len(stages))]
    updates += stages[-1:] * (NUM_UPDATES - len(updates))
    learner.update_at = lambda step: updates[step - 1]


def _load(files: list[str], bindings: list[str]):
    """The experiment; on noise, if that is all it takes to make it."""
    mistakes = []
    for noise, shape in (([], []), ([NOISE], []), ([NOISE], ["IMAGE_SHAPE = %STATE_SHAPE"])):
        try:
            return config.load([*files, *noise], [*bindings, *shape])
        except InputError as error:
            mistakes.append(error)
    raise mistakes[0]


def compute_all(cases: Cases, data: Path, jobs: int) -> tuple[dict[str, dict], list[str]]:
    """Entries by name, and a line for each that could not be had."""
    with ThreadPoolExecutor(jobs) as pool:
        found = list(pool.map(functools.partial(_apart, data=data), cases, cases.values()))
    pairs = list(zip(cases, found, strict=True))
    failed = [f"{name}: {entry}" for name, entry in pairs if isinstance(entry, str)]
    return {name: entry for name, entry in pairs if not isinstance(entry, str)}, failed


def _apart(name: str, settings: list[str], data: Path) -> dict | str:
    """The entry, by a process in a folder where data/ is `data`; else what went wrong."""
    flags = [f"--gin_bindings={s}" if "=" in s else f"--gin_file={s}" for s in settings]
    command = [sys.executable, "-m", "tools.digests", *flags]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "-1"}
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "data").symlink_to(data.resolve())
        where = {"cwd": folder, "env": environment}
        done = subprocess.run(command, capture_output=True, text=True, **where)
    seconds = f"{time.perf_counter() - start:.0f} s"
    if done.returncode:
        print(f"{name} failed, {seconds}", flush=True)
        return (done.stderr.strip() or f"code {done.returncode}").splitlines()[-1]
    entry = json.loads(done.stdout.splitlines()[-1])
    print(f"{name} {entry['sha256'][:12]}, {entry['data']}, {seconds}", flush=True)
    return entry


def _record(options) -> int:
    cases = _chosen(distinct(all_cases(ROOT)), options.only)
    entries, failed = compute_all(cases, options.data, options.jobs)
    record = {**_origin(), "commit": provenance.commit(), "digests": entries}
    options.out.write_text(json.dumps(record, indent=1) + "\n")
    print(*failed, sep="\n", end="\n" if failed else "", file=sys.stderr)
    return 2 if failed else 0


def _check(options) -> int:
    try:
        record = json.loads(options.check.read_text())
        before = _chosen(record["digests"], options.only)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{options.check} cannot be read as a record of digests: {error!r}"
        ) from error
    for name, now in _origin().items():
        if record.get(name) != now:
            print(f"recorded with {name} {record.get(name)}, now {now}: bits may differ")
    cases = all_cases(ROOT)
    known = {name: cases[name] for name in before if name in cases}
    after, differ = compute_all(known, options.data, options.jobs)
    differ += [f"{name}: no pin, variant or arm has this name" for name in before.keys() - known]
    differ += [f"{n}: {before[n]} became {new}" for n, new in after.items() if before[n] != new]
    print(*differ, f"{len(differ)} of {len(before)} digests differ", sep="\n")
    return 1 if differ else 0


def _origin() -> dict:
    return {"hardware": provenance.hardware(), "versions": provenance.versions()}


def _chosen(cases: dict, only: str) -> dict:
    if chosen := {name: cases[name] for name in fnmatch.filter(cases, only)}:
        return chosen
    raise InputError(f"nothing is called {only}: choose from {', '.join(cases)}")


def _one_thread():
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def _one(options) -> int:
    _one_thread()
    print(json.dumps(compute([*options.gin_file, *options.gin_bindings])))
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = command.parser("digests", __doc__)
    work = parser.add_mutually_exclusive_group(required=True)
    work.add_argument("--out", type=Path, help="JSON file for a digest of everything")
    work.add_argument(
        "--check", type=Path, help="such a file, to be compared with the code as it is"
    )
    work.add_argument("--gin_file", action="append", help="of one experiment, printed")
    parser.add_argument("--gin_bindings", action="append", default=[], help="overrides of that one")
    parser.add_argument("--only", default="*", help="pattern of names, e.g. 'walkback_*'")
    parser.add_argument("--data", type=Path, default=Path("data"), help="what pins call data/")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    return command.run(parser, _digests, arguments)


def _digests(options) -> int:
    if options.jobs < 1:
        raise InputError(f"{options.jobs} jobs: choose at least one")
    return (_one if options.gin_file else _record if options.out else _check)(options)


if __name__ == "__main__":
    sys.exit(main())
