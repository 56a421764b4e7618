"""The lives of runs of one method: killed, damaged and started again until they end, and compared.

A run of a method ends undisturbed first. Then others of the same settings are killed once in each
phase, at a random moment of it, and started again. After some kills a file is cut at a random
place: one of the newest checkpoint, or the history.
"""

import collections
import dataclasses
import logging
import os
import random
import statistics
from collections.abc import Sequence
from pathlib import Path

from tf_shortrun.core.errors import InputError
from tf_shortrun.training import rows
from tools.outcome import differences, outcome
from tools.phases import PHASES, Run
from tools.small_pins import JUDGED, SMALL_PINS, bindings

SETTINGS = (
    "experiment.Experiment.num_steps = 24",
    "experiment.Experiment.checkpoint_every = 4",
    "experiment.Experiment.log_every = 2",
    "experiment.Experiment.batch_size = 20",
)
HISTORY = "history.jsonl"
FAULTS = ("lost", "tracebacks", "silent")
COUNTED = ("kills", *PHASES, "damages", *FAULTS)
FROM_HISTORY = {f"{kind}/latent_norm_worst" for kind in ("metrics", "protocol", "better")}
_DAMAGED = 0.3  # share of the kills after which a file is cut


@dataclasses.dataclass
class Life:
    """A run that is killed; what happened to it.

    counts: kills, also in each phase; damages; and faults, which are updates that were saved and
      lost or runs that do not end, tracebacks, and differences and damages without a word.
    """

    arguments: Sequence[str]
    folder: Path
    counts: collections.Counter = dataclasses.field(default_factory=collections.Counter)

    def __post_init__(self):
        self._workdir, self._log = self.folder / "run", self.folder / "log"
        self._saved = 0  # steps that are safe
        self._lost_rows: set[str] = set()
        self._words: list[tuple[int, bytes]] = []  # what must stand in the log after a place
        os.environ["TF_SHORTRUN_CACHE"] = str(self.folder / "cache")

    def begin(self) -> Run:
        return Run([*self.arguments, f"--workdir={self._workdir}"], self._log)

    def kill(self, phase: str, entry: int, delay: float, rng: random.Random) -> bool:
        """Begins the run and kills it there; perhaps damages a file. Returns whether it ended."""
        run = self.begin()
        hit = run.kill(phase, entry, delay)
        self._look_at(run)
        if hit is None:
            return True
        self.counts.update(["kills", hit])
        if rng.random() < _DAMAGED:
            self.counts["damages"] += self._damage(rng)
        return False

    def end(self, expected: dict[str, str]):
        """Lets the run end, unless it has, and compares what it left with what is expected."""
        run = self.begin()
        self.counts["lost"] += run.wait() != 0
        self._look_at(run)
        said = self._log.read_bytes()
        self.counts["tracebacks"] += said.count(b"Traceback")
        self.counts["silent"] += sum(word not in said[place:] for place, word in self._words)
        if not run.code:
            found = set(differences(expected, outcome(self._workdir))) - self._lost_rows
            self.counts["silent"] += bool(found)
            (self.folder / "differences").write_text("\n".join(found))

    def _look_at(self, run: Run):
        """Counts when updates that were saved are not found again, or are made again."""
        for note in run.notes:
            if note.word in ("restored", "saved"):
                self.counts["lost"] += note.step < self._saved
                self._saved = note.step

    def _damage(self, rng: random.Random) -> bool:
        """Cuts a file at a random place, if there are two checkpoints; returns whether it did."""
        steps = sorted(_step(path) for path in self._workdir.glob("checkpoints/*.index"))
        if len(steps) < 2:
            return False
        newest = f"checkpoints/ckpt-{steps[-1]:08d}"
        name = rng.choice([f"{newest}.index", f"{newest}.data-00000-of-00001", HISTORY])
        if name == HISTORY:
            lost = _cut_rows(self._workdir / name, rng, steps[-1])
            self._lost_rows |= {f"history/{step}" for step in lost} | FROM_HISTORY
            word = HISTORY.encode() if lost else b""
        else:
            _cut(self._workdir / name, rng)
            self._saved, word = steps[-2], b"is damaged"
        self._words.append((self._log.stat().st_size, word))
        return True


def shares(methods: Sequence[str], kills: int) -> dict[str, int]:
    """Returns how many kills each method has; they differ by one at most."""
    each, more = divmod(kills, len(methods))
    return {method: each + (place < more) for place, method in enumerate(methods)}


def live(method: str, kills: int, seed: int, folder: Path) -> dict[str, int]:
    """Returns all that is `COUNTED` in the lives of a method, with `kills` kills.

    Raises:
      InputError: if the run that nobody disturbs does not end.
    """
    logging.getLogger("tf_shortrun").addHandler(logging.NullHandler())  # damage is no news here
    rng = random.Random(f"{seed} {method}")
    arguments = _arguments(method)
    whole = Life(arguments, _new(folder / "whole"))
    run = whole.begin()
    if run.wait():
        raise InputError(f"the run of {method} that nobody kills fails: see {folder}")
    expected, counts = outcome(folder / "whole" / "run"), collections.Counter()
    while (left := kills - counts["kills"]) > 0:
        life = Life(arguments, _new(folder / f"life{counts['lives']}"))
        for phase in _order(rng, left):
            entry, delay = _moment(phase, run.durations()[phase], rng)
            if life.kill(phase, entry, delay, rng):
                break
        life.end(expected)
        counts.update(life.counts, lives=1)
    return {name: counts[name] for name in COUNTED}


def _arguments(method: str) -> list[str]:
    settings = [*bindings(method), *JUDGED[method], *SETTINGS]
    return [f"--gin_file={SMALL_PINS[method]}", *(f"--gin_bindings={s}" for s in settings)]


def _new(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _order(rng: random.Random, num: int) -> list[str]:
    """Returns `num` phases, or all: evaluation comes after training, and a start anywhere."""
    first, last = ["training", "saving"], ["evaluation", "export"]
    rng.shuffle(first)
    order = [*first, *last]
    order.insert(rng.randrange(5), "start")
    return [order[place] for place in sorted(rng.sample(range(5), min(num, 5)))]


def _moment(phase: str, durations: Sequence[float], rng: random.Random) -> tuple[int, float]:
    """Returns which of the times that a phase begins, and how many seconds later."""
    entry = rng.randrange(len(durations)) + 1 if phase == "saving" else 1
    total = statistics.median(durations) if phase == "saving" else sum(durations)
    return entry, rng.uniform(0, total)


def _cut(path: Path, rng: random.Random):
    content = path.read_bytes()
    path.write_bytes(content[: rng.randrange(max(1, len(content)))])  # it may be empty already


def _cut_rows(path: Path, rng: random.Random, newest: int) -> set[int]:
    """Cuts a history; returns the steps that it lost, of those that a checkpoint has passed."""
    before = {row["step"] for row in rows.read(path)}
    _cut(path, rng)
    return {step for step in before - {row["step"] for row in rows.read(path)} if step <= newest}


def _step(index: Path) -> int:
    return int(index.stem.removeprefix("ckpt-"))
