"""Checks that a refactoring of the code does not change what any pin computes in training.

    python -m tools.digests --out=FILE [--only=GLOB] [--data=FOLDER] [--jobs=2]
    python -m tools.digests --check FILE      prints differences; exit code 1 if there are any
    python -m tools.digests --gin_file=reproduce/digits.gin      one digest, in this process

A digest is the sha256 of everything that a checkpoint holds after five updates: weights,
optimizers, banks, sigma, step sizes. Each array enters with its type, shape and bytes, and arrays
are sorted by their own hashes, so names of modules, variables or files have no effect. There is a
digest for every pin, at cpu scale if it has one, and for every variant of a pin and arm of a study
with a different code path (`tools/code_paths.py`).

Updates are those of `train` with the pin's seed, each on 10 of the first 20 training examples, so
that entries of banks are used again. A learner with stages goes through all of them; a learner that
adapts does so before updates 1 and 4. "data" is the name of the data set and a hash of all of it;
a data set that is not available is replaced by noise of its shape. Each digest is computed in a new
process with one thread, so that its bits can be reproduced, but only on the same machine with the
same TensorFlow. Digests do not cover what evals compute.
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
    """Returns the entry of one experiment: its digest, its data and the number of variables."""
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
    """Returns all arrays in a checkpoint of this state."""
    with tempfile.TemporaryDirectory() as folder:
        path = tf.train.Checkpoint(**state).write(f"{folder}/state")
        reader = tf.train.load_checkpoint(path)
        names = reader.get_variable_to_shape_map().keys() - {"_CHECKPOINTABLE_OBJECT_GRAPH"}
        return [np.asarray(reader.get_tensor(name)) for name in names]


def digest(arrays: Iterable[np.ndarray]) -> str:
    """Returns a hash of the types, shapes and bytes of arrays, independent of their order."""
    parts = [f"{x.dtype} {x.shape} {hashlib.sha256(x.tobytes()).hexdigest()}" for x in arrays]
    return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()


def _hasten(learner: Staged, num_steps: int):
    """Makes the first updates of a learner go through all its stages, most in the last stage."""
    stages = list(dict.fromkeys(map(learner.update_at, range(1, num_steps + 1))))
    updates = [stage for stage in stages for _ in range(NUM_UPDATES // len(stages))]
    updates += stages[-1:] * (NUM_UPDATES - len(updates))
    learner.update_at = lambda step: updates[step - 1]


def _load(files: list[str], bindings: list[str]):
    """Returns the experiment, on noise instead of its data set if only the data are missing."""
    mistakes = []
    for noise, shape in (([], []), ([NOISE], []), ([NOISE], ["IMAGE_SHAPE = %STATE_SHAPE"])):
        try:
            return config.load([*files, *noise], [*bindings, *shape])
        except InputError as error:
            mistakes.append(error)
    raise mistakes[0]


def compute_all(cases: Cases, data: Path, jobs: int) -> tuple[dict[str, dict], list[str]]:
    """Returns the entries by name, and a line for each case that failed."""
    with ThreadPoolExecutor(jobs) as pool:
        found = list(pool.map(functools.partial(_apart, data=data), cases, cases.values()))
    pairs = list(zip(cases, found, strict=True))
    failed = [f"{name}: {entry}" for name, entry in pairs if isinstance(entry, str)]
    return {name: entry for name, entry in pairs if not isinstance(entry, str)}, failed


def _apart(name: str, settings: list[str], data: Path) -> dict | str:
    """Returns the entry, computed in a new process where data/ is `data`, or its error line."""
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
            f"{options.check} cannot be read as a record of digests, write it with --out: {error!r}"
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
    work.add_argument("--out", type=Path, help="JSON file for the digests of all cases")
    work.add_argument(
        "--check", type=Path, help="file written by --out, compared with the current code"
    )
    work.add_argument("--gin_file", action="append", help="one experiment, its digest is printed")
    parser.add_argument("--gin_bindings", action="append", default=[], help="override --gin_file")
    parser.add_argument("--only", default="*", help="pattern of names, e.g. 'walkback_*'")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder for data/ of pins")
    parser.add_argument("--jobs", type=int, default=1, help="number of parallel processes")
    return command.run(parser, _digests, arguments)


def _digests(options) -> int:
    if options.jobs < 1:
        raise InputError(f"{options.jobs} jobs: choose at least one")
    return (_one if options.gin_file else _record if options.out else _check)(options)


if __name__ == "__main__":
    sys.exit(main())
