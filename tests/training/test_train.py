"""Tests of the training loop: exact resume, damaged checkpoints, divergence, interruption."""

import itertools
import json
import os
import signal
import threading
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.errors import DivergenceError, InputError, Interrupted
from tf_shortrun.core.usage import Usage
from tf_shortrun.data.dataset import Dataset, Split
from tf_shortrun.methods.latent.latent_likelihood import LatentLikelihood
from tf_shortrun.methods.latent.objectives import EnergyScore, model_pairs
from tf_shortrun.methods.latent.short_run import ShortRun
from tf_shortrun.methods.latent.step_size import Descent
from tf_shortrun.training import evaluate
from tf_shortrun.training.checkpoint import Checkpoints
from tf_shortrun.training.history import History
from tf_shortrun.training.interruption import SIGNALS
from tf_shortrun.training.steps import compile_step
from tf_shortrun.training.train import train
from toy_training import experiment, make_learner, rows, run


def test_a_resumed_run_is_bit_equal_to_an_uninterrupted_run(tmp_path, one_replica):
    whole, _ = run(tmp_path / "whole", 12, one_replica)
    run(tmp_path / "pieces", 7, one_replica)
    pieces, history = run(tmp_path / "pieces", 12, one_replica)
    for a, b in zip(whole, pieces, strict=True):
        np.testing.assert_array_equal(a, b)
    steps = [row["step"] for row in rows(tmp_path / "pieces")]
    assert steps == sorted(set(steps)) and steps[-1] == 12 == history.step


def make_adaptive():
    learner = make_learner()
    optimizer = keras.optimizers.Adam(0.1)
    rule = Descent(EnergyScore(model_pairs), 0.01, True, False, optimizer, num_images=8)
    return LatentLikelihood(learner.model, ShortRun(3, rule), keras.optimizers.Adam(1e-2))


def choices(workdir):
    return [json.loads(line) for line in (workdir / "step_sizes.jsonl").read_text().splitlines()]


def test_a_resumed_run_chooses_the_same_step_sizes(tmp_path, one_replica):
    """Choices are before updates 1, 4, 7 and 10. One run stops after update 8 and is resumed."""
    settings = {"make": make_adaptive, "adapt_every": 3}
    whole, _ = run(tmp_path / "whole", 12, one_replica, **settings)
    run(tmp_path / "pieces", 8, one_replica, **settings)
    pieces, _ = run(tmp_path / "pieces", 12, one_replica, **settings)
    for a, b in zip(whole, pieces, strict=True):
        np.testing.assert_array_equal(a, b)
    once, twice = choices(tmp_path / "whole"), choices(tmp_path / "pieces")
    assert [row["step"] for row in once] == [row["step"] for row in twice] == [1, 4, 7, 10]
    assert [row["step_sizes"] for row in once] == [row["step_sizes"] for row in twice]
    assert np.shape(once[0]["step_sizes"]) == (3, 1)
    assert once[0]["step_sizes"] != once[1]["step_sizes"]
    assert sorted(row["seconds"] for row in once) == [row["seconds"] for row in once]


@pytest.mark.parametrize(
    "settings", [{"adapt_every": 3}, {"make": make_adaptive}, {"adapt_every": 0}]
)
def test_adapt_every_is_required_exactly_for_learners_that_adapt(settings, one_replica):
    with pytest.raises(InputError, match="adapt_every"):
        experiment(4, **settings).build(one_replica)


def test_two_replicas_give_the_same_weights_as_one(tmp_path, one_replica, two_replicas):
    one, _ = run(tmp_path / "one", 8, one_replica)
    two, _ = run(tmp_path / "two", 8, two_replicas)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_a_run_can_resume_with_another_number_of_replicas(tmp_path, one_replica, two_replicas):
    whole, _ = run(tmp_path / "whole", 8, one_replica)
    run(tmp_path / "pieces", 4, two_replicas)
    pieces, _ = run(tmp_path / "pieces", 8, one_replica)
    for a, b in zip(whole, pieces, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_fresh_starts_over(tmp_path, one_replica):
    first, _ = run(tmp_path, 4, one_replica)
    again, history = run(tmp_path, 4, one_replica, fresh=True)
    assert [row["step"] for row in rows(tmp_path)] == [2, 4] and history.step == 4
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)


def data_files(workdir):
    return sorted((workdir / "checkpoints").glob("ckpt-*.data*"))


def test_a_damaged_checkpoint_is_replaced_by_the_previous_one(tmp_path, one_replica):
    whole, _ = run(tmp_path, 12, one_replica)
    newest = data_files(tmp_path)[-1]
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 255
    newest.write_bytes(content)
    learner = experiment(12).build(one_replica)
    assert Checkpoints(learner, tmp_path / "checkpoints").restore() == 8
    again, _ = run(tmp_path, 12, one_replica)
    for a, b in zip(whole, again, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("damage", ["truncated", "missing"])
def test_damage_of_all_checkpoints_is_an_error(tmp_path, one_replica, damage):
    run(tmp_path, 4, one_replica)
    for file in data_files(tmp_path):
        file.write_bytes(file.read_bytes()[:10]) if damage == "truncated" else file.unlink()
    with pytest.raises(InputError, match="--fresh"):
        run(tmp_path, 8, one_replica)


def test_temporary_folders_and_old_checkpoints_are_removed(tmp_path, one_replica):
    run(tmp_path, 20, one_replica)
    leak = tmp_path / "checkpoints" / "ckpt-00000024_temp"
    leak.mkdir()
    run(tmp_path, 24, one_replica)
    assert not leak.exists()
    assert len(data_files(tmp_path)) == 3


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path, one_replica):
    run(tmp_path, 4, one_replica)
    with pytest.raises(InputError, match="another configuration"):
        run(tmp_path, 8, one_replica, make=lambda: make_learner(width=9))


def test_the_configuration_decides_the_learning_rate_not_the_checkpoint(tmp_path, one_replica):
    run(tmp_path, 4, one_replica)
    learner = experiment(8, make=lambda: make_learner(learning_rate=0.5)).build(one_replica)
    assert Checkpoints(learner, tmp_path / "checkpoints").restore() == 4
    assert learner.optimizer.learning_rate.numpy() == 0.5


def test_divergence_ends_training_and_keeps_the_last_finite_checkpoint(tmp_path, one_replica):
    run(tmp_path, 4, one_replica)
    with pytest.raises(DivergenceError, match="not finite") as error:
        run(tmp_path, 40, one_replica, make=lambda: make_learner(learning_rate=1e30))
    assert 4 < error.value.step <= 40
    assert error.value.seconds > 0
    kept = experiment(4).build(one_replica)
    assert Checkpoints(kept, tmp_path / "checkpoints").restore() == 4
    assert all(np.isfinite(v).all() for v in kept.model.variables)


def test_a_checkpoint_that_is_not_finite_is_not_kept(tmp_path, one_replica):
    learner = experiment(4).build(one_replica)
    learner.model.trainable_variables[0].assign(learner.model.trainable_variables[0] * np.nan)
    where = r"^model: \S*dense\S*/kernel not finite in update 1: lower the step size"
    with pytest.raises(DivergenceError, match=where):
        Checkpoints(learner, tmp_path).save(1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_saves_at_the_end_of_the_step(tmp_path, one_replica, number):
    whole, _ = run(tmp_path / "whole", 8, one_replica)
    (tmp_path / "pieces").mkdir()
    before = signal.getsignal(number)

    def interrupt(history, step):
        os.kill(os.getpid(), number)

    with pytest.raises(Interrupted, match="saved at step 5") as error:
        run(tmp_path / "pieces", 8, one_replica, draw=interrupt)
    assert error.value.number == number
    assert signal.getsignal(number) is before
    pieces, _ = run(tmp_path / "pieces", 8, one_replica)
    for a, b in zip(whole, pieces, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_second_interruption_ends_the_run_at_once(tmp_path, one_replica):
    def interrupt(history, step):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted, match="not saved") as error:
        run(tmp_path, 8, one_replica, draw=interrupt)
    assert error.value.number == signal.SIGTERM
    assert Checkpoints(experiment(8).build(one_replica), tmp_path / "checkpoints").restore() == 4


def test_pictures_are_drawn_and_logged_at_every_checkpoint(tmp_path, one_replica):
    drawn = []

    def draw(history, step):
        drawn.append(step)
        history.images({"samples": np.zeros([4, 4, 3], np.uint8)}, step)

    run(tmp_path, 10, one_replica, draw=draw)
    assert drawn == [4, 8, 10]
    events = list((tmp_path / "tensorboard").iterdir())
    tags = [
        v.tag for e in tf.compat.v1.train.summary_iterator(str(events[0])) for v in e.summary.value
    ]
    assert tags.count("samples") == 3 and tags.count("loss") == 5


@pytest.mark.parametrize(
    ("changes", "culprit"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": 41}, "batch_size"),
        ({"num_steps": 0}, "num_steps"),
        ({"scale": "big"}, "scale"),
        ({"evals": [len]}, "len is no Eval: it has no metrics"),
        ({"pictures": [len]}, "len is no Picture: it has no captions"),
    ],
)
def test_wrong_settings_are_refused(tmp_path, one_replica, changes, culprit):
    with pytest.raises(InputError, match=culprit):
        run(tmp_path, **({"num_steps": 4, "strategy": one_replica} | changes))


def test_a_batch_that_replicas_cannot_share_equally_is_refused(tmp_path, two_replicas):
    with pytest.raises(InputError, match="replicas"):
        run(tmp_path, 4, two_replicas, batch_size=7)


def test_model_and_data_of_different_shapes_are_refused(one_replica):
    images = Split(np.zeros([4, 8, 8, 1], np.uint8), np.zeros(4, np.int32))
    with pytest.raises(InputError, match=r"\(4,\).*toy.*\(8, 8, 1\)"):
        experiment(4, dataset=Dataset("toy", images, images), batch_size=2).build(one_replica)


def test_an_update_compiled_by_xla_gives_the_same_weights(tmp_path, one_replica):
    graph, _ = run(tmp_path / "graph", 6, one_replica)
    program, _ = run(tmp_path / "program", 6, one_replica, jit_compile=True)
    start, _ = run(tmp_path / "start", 1, one_replica)
    for a, b, c in zip(graph, program, start, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
        assert a.ndim == 0 or np.abs(a - c).max() > 1e-3  # all weights except sigma have changed


def test_a_step_does_not_communicate_with_the_host(one_replica):
    setting = experiment(4)
    learner = setting.build(one_replica)
    step = compile_step(one_replica, learner.train_step, noise.make_seed(0))
    batch = {"image": tf.zeros([8, 4])}
    graph = step.get_concrete_function(batch, tf.constant(0)).graph.as_graph_def()
    nodes = itertools.chain(graph.node, *(f.node_def for f in graph.library.function))
    kinds = {node.op for node in nodes}
    assert "MatMul" in kinds  # the operations of the chain, inside the loop
    talk = {"PyFunc", "PyFuncStateless", "EagerPyFunc", "Print", "PrintV2", "Assert", "Send"}
    assert not kinds & {*talk, "IteratorGetNext", "_HostSend", "HostSend"}


def test_times_include_every_step_and_exclude_drawing(tmp_path, monkeypatch):
    """Three lines of five steps of 2 s, half of it in the kernel; 100 s of drawing after each."""
    clock = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(Usage, "now", lambda: Usage(0, 0.5 * clock[0], 0.5 * clock[0]))
    history, batches = History(tmp_path, 0), itertools.count()
    history.begin()

    def batch():
        clock[0] += 0.5
        return float(next(batches))

    def step_fn(batch):
        clock[0] += 1.5
        return {"loss": tf.constant(batch)}

    for step in range(1, 16):
        with history.fetching():
            images = batch()
        history.record(step_fn(images))
        if step % 5 == 0:
            history.flush(step)
            clock[0] += 100.0
    assert history.seconds == 30.0
    assert history.speed["seconds_per_step"] == 2.0
    assert history.speed["input_wait_share"] == 0.25
    assert history.speed["system_time_share"] == 0.5
    assert History(tmp_path, 10).speed == history.speed and not History(tmp_path / "new", 0).speed
    assert [row["loss"] for row in rows(tmp_path)] == [2.0, 7.0, 12.0]


class Watched:
    """A learner that counts its updates and tells the count whenever it is watched."""

    image_shape = (4,)

    def __init__(self):
        self.count = tf.Variable(0.0)
        self.state = {"count": self.count}

    def train_step(self, batch, seed):
        self.count.assign_add(1.0)
        return {"loss": self.count + 0.0}

    def watch(self, batch, seed):
        return {"updates_before": self.count + 0.0}

    def sample(self, num, seed):
        return tf.zeros([num, 4])


def test_a_learner_is_watched_before_every_nth_update_and_only_then(tmp_path, one_replica):
    """Watched before updates 1, 4, 7 of 8; a line of history has the mean of what was seen."""
    run_watched = experiment(8, Watched, watch_every=3)
    train(run_watched, one_replica, run_watched.build(one_replica), tmp_path)
    seen = [row.get("updates_before") for row in rows(tmp_path)]
    assert seen == [0.0, 3.0, None, 6.0]
    assert [row["loss"] for row in rows(tmp_path)] == [1.5, 3.5, 5.5, 7.5]


def test_watch_every_is_refused_for_a_learner_that_has_nothing_to_watch(one_replica):
    class Blind(Watched):
        watch = property()

    with pytest.raises(InputError, match="leave watch_every out"):
        experiment(8, Blind, watch_every=3).build(one_replica)


def test_training_works_in_a_thread_and_leaves_the_handlers_alone(tmp_path, one_replica):
    before = [signal.getsignal(number) for number in SIGNALS]
    ends = []
    thread = threading.Thread(target=lambda: ends.append(run(tmp_path, 4, one_replica)[1].step))
    thread.start()
    thread.join()
    assert ends == [4] and [signal.getsignal(number) for number in SIGNALS] == before


def test_percentiles_of_scores_are_those_of_training_examples():
    """A learner whose score of an example is its sum; half of the test examples are others."""

    class Sums:
        def score(self, batch, seed):
            return tf.reduce_sum(batch["image"], axis=1)

    def split(values):
        rows = np.asarray(values, np.float32)[:, None] / 1000
        return Split(rows, np.full(len(rows), -1, np.int32))

    data = Dataset("rising", split(range(201)), split([900.0, 900.0]))
    found = evaluate.score_percentiles(experiment(4, dataset=data), Sums())
    assert found["0"] == 0 and found["100"] == pytest.approx(0.2)
    assert found["50"] == pytest.approx(0.1) and found["99"] == pytest.approx(0.198)
    assert evaluate.score_percentiles(experiment(4, dataset=data), object()) == {}
