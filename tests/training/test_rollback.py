"""A number that is not finite costs the steps since the last checkpoint, or stops the run."""

import json
import os
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.errors import DivergenceError, InputError, Interrupted
from tf_shortrun.core.optimization import apply_mean
from tf_shortrun.training import rollback
from tf_shortrun.training.checkpoint import Checkpoints
from tf_shortrun.training.rollback import Rollback
from toy_training import dataset, experiment, rows, run, run_learner

RATE = 0.125
PLACES = ("metrics", "weights", "gradients")


class Fragile:
    """A learner of one weight whose numbers break in update `at` if its rate is above `above`.

    Its metrics tell the noise, the batch and the rate of every update.
    """

    image_shape = (4,)

    def __init__(self, place, at=6, above=0.0, rate=RATE):
        self.place, self.at, self.above = place, at, above
        self.weight = keras.Variable(1.0, name="weight")
        self.optimizer = keras.optimizers.SGD(rate, momentum=0.5)
        self.optimizer.build([self.weight])
        self.table = tf.Variable([0.0, 0.0])
        self.state = {"optimizer": self.optimizer, "model": Part(self.weight), "table": self.table}

    def train_step(self, batch, seed):
        rate = tf.convert_to_tensor(self.optimizer.learning_rate)
        now = self.optimizer.iterations + 1
        breaks = (now == self.at) & (rate > self.above)
        broken = {place: tf.where(breaks & (place == self.place), np.nan, 0.0) for place in PLACES}
        drawn = noise.shared_normal(seed, [1, 1])[0, 0]
        apply_mean(self.optimizer, [drawn + broken["gradients"]], [self.weight])
        self.weight.assign_add(broken["weights"])
        places = tf.cast(tf.reduce_sum(batch["index"]), tf.float32)
        norm = tf.cast(now, tf.float32) + broken["metrics"]
        seen = {"batch": places, "rate": rate + 0.0, "latent_norm": norm}
        return {"loss": broken["metrics"], "noise": drawn, **seen}

    def sample(self, num, seed):
        return tf.zeros([num, 4])


class Part(tf.Module):
    def __init__(self, weight):
        super().__init__()
        self.weight, self.variables_ = weight, [weight]

    variables = property(lambda self: self.variables_)


def trained(workdir, strategy, *fragile, num_steps=8, rollbacks=2):
    """Returns the weight and the history of a run that saves after every fourth update."""
    settings = {"make": lambda: Fragile(*fragile), "log_every": 1, "max_rollbacks": rollbacks}
    learner, history = run_learner(workdir, num_steps, strategy, **settings)
    return learner.weight.numpy(), history


def made(workdir):
    return rollback.read(workdir / "checkpoints", 10**6)


def by_step(workdir, name):
    steps = [row["step"] for row in rows(workdir)]
    assert len(set(steps)) == len(steps)  # no row of what was undone is left
    return {row["step"]: row[name] for row in rows(workdir)}


def expected_noise(num_rollbacks, steps):
    root = noise.make_seed(1)
    if num_rollbacks:
        root = noise.fold(noise.stream(root, "rollback"), num_rollbacks)
    stream = noise.stream(root, "train")
    return [float(noise.shared_normal(noise.fold(stream, k), [1, 1])[0, 0]) for k in steps]


@pytest.mark.parametrize("place", PLACES)
def test_a_run_goes_back_with_other_noise_and_half_the_rate(tmp_path, one_replica, place):
    """It breaks in update 6 at the first and at half the rate, so that it goes back twice."""
    _, history = trained(tmp_path / "run", one_replica, place, 6, 0.4 * RATE)
    assert history.step == 8 and list(by_step(tmp_path / "run", "loss")) == list(range(1, 9))
    first, second = made(tmp_path / "run")
    assert (first.step, second.step) == (4, 4)
    # Weights are looked at only when they are saved; metrics of a later update may tell before.
    assert first.failed == second.failed == (6 if place == "metrics" else 8)
    what = {"metrics": "loss, latent_norm"}.get(place, "model: weight")
    assert first.what.startswith(what)
    rates, drawn = by_step(tmp_path / "run", "rate"), by_step(tmp_path / "run", "noise")
    assert [rates[k] for k in range(1, 9)] == [RATE] * 4 + [RATE / 4] * 4
    np.testing.assert_allclose([drawn[k] for k in range(1, 5)], expected_noise(0, range(1, 5)))
    np.testing.assert_allclose([drawn[k] for k in range(5, 9)], expected_noise(2, range(5, 9)))
    trained(tmp_path / "whole", one_replica, "nowhere")
    assert by_step(tmp_path / "run", "batch") == by_step(tmp_path / "whole", "batch")


def test_the_state_that_is_restored_is_that_of_the_checkpoint(tmp_path, one_replica):
    """Momentum and weight of update 4, then four updates of SGD by hand."""
    weight, _ = trained(tmp_path / "run", one_replica, "weights", 6, 0.6 * RATE)
    w, velocity = 1.0, 0.0
    for count, steps, rate in ((0, range(1, 5), RATE), (1, range(5, 9), RATE / 2)):
        for drawn in expected_noise(count, steps):
            velocity = 0.5 * velocity - rate * drawn
            w += velocity
    np.testing.assert_allclose(weight, w, rtol=1e-5)


def test_a_schedule_is_multiplied_too(tmp_path, one_replica):
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([6], [RATE, RATE / 8])
    trained(tmp_path, one_replica, "metrics", 6, 0.6 * RATE, schedule)
    rates = by_step(tmp_path, "rate")
    assert [rates[k] for k in (4, 5, 7, 8)] == [RATE, RATE / 2, RATE / 2, RATE / 16]


def test_a_run_that_breaks_before_its_first_checkpoint_begins_again(tmp_path, one_replica):
    weight, _ = trained(tmp_path, one_replica, "weights", 2, 0.6 * RATE, num_steps=3)
    assert [(r.step, r.failed) for r in made(tmp_path)] == [(0, 3)]
    velocity, w = 0.0, 1.0
    for drawn in expected_noise(1, range(1, 4)):
        velocity = 0.5 * velocity - RATE / 2 * drawn
        w += velocity
    np.testing.assert_allclose(weight, w, rtol=1e-5)


@pytest.mark.parametrize("end", ["saved", "killed"])
def test_a_run_that_ends_after_a_rollback_goes_on_as_if_it_had_not(
    tmp_path, one_replica, end, monkeypatch, caplog
):
    """It goes back from update 6 to 4; it is saved after 7, or killed when it saves update 8."""
    breaking = ("metrics", 6, 0.6 * RATE)
    whole, _ = trained(tmp_path / "whole", one_replica, *breaking, num_steps=12)
    if end == "saved":
        trained(tmp_path / "pieces", one_replica, *breaking, num_steps=7)
    else:
        save = Checkpoints.save
        monkeypatch.setattr(Checkpoints, "save", lambda c, k: 1 / 0 if k == 8 else save(c, k))
        with pytest.raises(ZeroDivisionError):
            trained(tmp_path / "pieces", one_replica, *breaking, num_steps=12)
        monkeypatch.setattr(Checkpoints, "save", save)
    assert len(made(tmp_path / "pieces")) == 1
    caplog.clear()
    pieces, _ = trained(tmp_path / "pieces", one_replica, *breaking, num_steps=12)
    assert "back to step" not in caplog.text  # it does not fail once more
    assert pieces == whole and made(tmp_path / "pieces") == made(tmp_path / "whole")
    for name in ("noise", "rate", "batch"):
        assert by_step(tmp_path / "pieces", name) == by_step(tmp_path / "whole", name)


def test_a_checkpoint_before_a_rollback_is_not_slowed_down(tmp_path, one_replica):
    """The newest two are damaged: update 5 has again the rate and the noise of the first try."""
    breaking = ("metrics", 10, 0.6 * RATE)
    trained(tmp_path, one_replica, *breaking, num_steps=12)
    assert [r.step for r in made(tmp_path)] == [8]
    before = by_step(tmp_path, "noise")
    for step in (8, 12):
        (tmp_path / f"checkpoints/ckpt-{step:08d}.index").unlink()
    trained(tmp_path, one_replica, *breaking, num_steps=12)
    assert by_step(tmp_path, "noise") == before and [r.step for r in made(tmp_path)] == [8]


def test_two_replicas_go_back_together(tmp_path, one_replica, two_replicas):
    one, _ = trained(tmp_path / "one", one_replica, "metrics", 6, 0.6 * RATE)
    two, _ = trained(tmp_path / "two", two_replicas, "metrics", 6, 0.6 * RATE)
    expected = [Rollback(4, 6, "loss, latent_norm not finite")]
    assert made(tmp_path / "one") == made(tmp_path / "two") == expected
    np.testing.assert_allclose(one, two, rtol=1e-6)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("rollbacks", [0, 2])
def test_a_run_that_breaks_at_every_rate_stops_after_all_rollbacks(
    tmp_path, one_replica, place, rollbacks
):
    with pytest.raises(DivergenceError) as error:
        trained(tmp_path, one_replica, place, rollbacks=rollbacks)
    line = str(error.value)
    assert line.count("\n") == 0 and ("; rollbacks: 2)" in line) == bool(rollbacks)
    assert line.startswith(
        "loss" if place == "metrics" else "model: weight and 1 more variables"[:13]
    )
    assert error.value.step == (6 if place == "metrics" else 8) and error.value.seconds > 0
    assert len(made(tmp_path)) == rollbacks
    assert Checkpoints(Fragile(place), tmp_path / "checkpoints").restore() == 4


@pytest.mark.parametrize("rollbacks", [0, 2])
def test_nan_in_the_data_stops_the_run_and_names_the_first_weight(tmp_path, one_replica, rollbacks):
    data = dataset()
    data.train.images[:] = np.nan  # after the data set was checked
    with pytest.raises(DivergenceError, match=r"loss.*; model: \S+/dense\S*/kernel and \d+ more"):
        run(tmp_path, 8, one_replica, dataset=data, max_rollbacks=rollbacks)
    assert [r.step for r in made(tmp_path)] == [0] * rollbacks


def test_an_interruption_during_a_rollback_is_not_lost(tmp_path, one_replica, monkeypatch):
    go_back = rollback.Rollbacks.go_back

    def interrupted(rollbacks, *given):
        os.kill(os.getpid(), signal.SIGTERM)
        go_back(rollbacks, *given)

    monkeypatch.setattr(rollback.Rollbacks, "go_back", interrupted)
    with pytest.raises(Interrupted, match="saved at step 5"):
        trained(tmp_path, one_replica, "metrics", 6, 0.6 * RATE)


LEFT = {"step": 0, "failed": 1, "what": "loss not finite"}


def test_rollbacks_of_an_earlier_run_are_forgotten(tmp_path, one_replica):
    """The first run was killed before its first checkpoint."""
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/rollbacks.json").write_text(
        json.dumps([Rollback(0, 1, "x")._asdict()])
    )
    trained(tmp_path, one_replica, "nowhere")
    assert not made(tmp_path) and by_step(tmp_path, "rate")[1] == RATE


@pytest.mark.parametrize("content", ["", "[3]", '[{"step": 1}]', "{}}"])
def test_a_damaged_file_of_rollbacks_is_one_line(tmp_path, one_replica, content):
    trained(tmp_path, one_replica, "nowhere", num_steps=4)
    (tmp_path / "checkpoints/rollbacks.json").write_text(content)
    with pytest.raises(InputError, match="rollbacks.json cannot be read .*--fresh"):
        trained(tmp_path, one_replica, "nowhere")


def test_a_checkpoint_that_is_not_finite_is_not_restored(tmp_path, one_replica):
    """A process that is killed between writing and looking leaves one."""
    trained(tmp_path, one_replica, "nowhere", num_steps=4)
    learner = Fragile("nowhere")
    learner.weight.assign(np.nan)
    checkpoints = Checkpoints(learner, tmp_path / "checkpoints")
    checkpoints._checkpoint.write(str(tmp_path / "checkpoints/ckpt-00000008"))
    assert checkpoints.restore() == 4 and np.isfinite(learner.weight.numpy())


@pytest.mark.parametrize("number", [-1, 21])
def test_a_number_of_rollbacks_that_makes_no_sense_is_refused(number):
    with pytest.raises(InputError, match=f"max_rollbacks is {number}: choose from 0 to 20"):
        experiment(4, max_rollbacks=number)
