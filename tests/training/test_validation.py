"""The best state by examples that are held out, the end of a run by patience, and their resume."""

import dataclasses
import json
from typing import ClassVar

import numpy as np
import pytest

from tf_shortrun.core.errors import DivergenceError, InputError
from tf_shortrun.core.evaluation import Metric
from tf_shortrun.training import variables
from tf_shortrun.training.validation import Best, Validation, restore
from toy_training import dataset, experiment, run, run_learner


@dataclasses.dataclass
class Far:
    """The squared distance of the number of updates from 8; `sign` -1 makes higher better."""

    sign: int = 1
    seen: list = dataclasses.field(default_factory=list)

    @property
    def metrics(self):
        return {"far": Metric("lower" if self.sign > 0 else "higher", "")}

    def __call__(self, learner, data, seed):
        self.seen.append(data.test.images)
        (optimizer,) = variables.optimizers(learner.state)
        return {"far": self.sign * float((optimizer.iterations - 8) ** 2)}


def values(workdir):
    lines = (workdir / "validation.jsonl").read_text().splitlines()
    return {row["step"]: row["far"] for row in map(json.loads, lines)}


@pytest.mark.parametrize("sign", [1, -1])
def test_a_run_ends_with_its_best_state(tmp_path, one_replica, sign):
    weights, history = run(tmp_path / "a", 16, one_replica, validation=Far(sign))
    assert values(tmp_path / "a") == {4: sign * 16, 8: 0, 12: sign * 16, 16: sign * 64}
    assert history.step == 16 and history.curve("loss")  # it made all steps
    short, _ = run(tmp_path / "b", 8, one_replica, validation=Far(sign))
    for one, other in zip(weights, short, strict=True):
        np.testing.assert_array_equal(one, other)
    # Whoever loads the run has that state, and is told the last step.
    setting = experiment(16, validation=Far(sign))
    learner = setting.build(one_replica)
    assert restore(setting, learner, tmp_path / "a") == 16
    np.testing.assert_array_equal(learner.model.variables[0].numpy(), short[0])
    assert Validation(setting, learner, tmp_path / "a", 16).best == Best("far", 0, 8)


def test_patience_ends_a_run_and_the_same_command_does_not_go_on(tmp_path, one_replica):
    for _ in range(2):
        weights, history = run(tmp_path / "a", 40, one_replica, validation=Far(), patience=2)
        assert history.step == 16 and list(values(tmp_path / "a")) == [4, 8, 12, 16]
    short, _ = run(tmp_path / "b", 8, one_replica, validation=Far())
    np.testing.assert_array_equal(weights[0], short[0])


@pytest.mark.parametrize("kill", ["", "before it was measured", "before it was written"])
def test_a_run_that_is_stopped_ends_as_one_that_is_not(tmp_path, one_replica, kill):
    expected, _ = run(tmp_path / "a", 16, one_replica, validation=Far())
    run(tmp_path / "b", 8, one_replica, validation=Far())
    if kill:
        file = tmp_path / "b/validation.jsonl"
        file.write_text(file.read_text().splitlines(keepends=True)[0])
    if kill == "before it was measured":
        for path in (tmp_path / "b/best").glob("ckpt-00000008*"):
            path.unlink()
    weights, _ = run(tmp_path / "b", 16, one_replica, validation=Far())
    assert values(tmp_path / "b") == values(tmp_path / "a")
    np.testing.assert_array_equal(weights[0], expected[0])
    assert sorted(path.name for path in (tmp_path / "b/best").iterdir()) == sorted(
        path.name for path in (tmp_path / "a/best").iterdir()
    )


def test_nobody_learns_from_what_is_held_out():
    data = dataclasses.replace(dataset(), num_held_out=4)
    held = data.held_out().test.images
    batches = list(data.train_batches(9, seed=3).take(8))  # two epochs
    seen = np.concatenate([batch["index"] for batch in batches]).reshape(2, 36)
    others = np.setdiff1d(np.arange(40), [0, 13, 26, 39])
    for epoch in seen:
        np.testing.assert_array_equal(np.sort(epoch), others)
    np.testing.assert_array_equal(held, data.train.images[[0, 13, 26, 39]])
    np.testing.assert_array_equal(batches[0]["image"], data.train.images[seen[0, :9]])
    with pytest.raises(InputError, match="choose 1 to 36"):
        data.check_batches(37, 1)


def test_a_tenth_is_held_out_unless_it_is_said(tmp_path, one_replica):
    for num, expected in ((None, 4), (7, 7)):
        judge = Far()
        run(tmp_path / str(num), 4, one_replica, validation=judge, num_validation=num)
        assert len(judge.seen[0]) == expected


def test_without_validation_nothing_is_written_or_held_out(tmp_path, one_replica):
    run(tmp_path, 4, one_replica)
    assert not (tmp_path / "best").exists() and not (tmp_path / "validation.jsonl").exists()
    assert experiment(4).trained_on.num_held_out == 0


def test_a_value_that_is_not_finite_is_a_divergence(tmp_path, one_replica):
    with pytest.raises(DivergenceError, match="far of validation .* update 4"):
        run_learner(tmp_path, 8, one_replica, validation=Far(np.nan))


def test_settings_that_make_no_sense_are_refused(tmp_path, one_replica):
    with pytest.raises(InputError, match="need a validation"):
        experiment(4, patience=2)
    with pytest.raises(InputError, match="patience is 0: choose at least 1"):
        experiment(4, validation=Far(), patience=0)

    class Blind:
        metrics: ClassVar = {"what": Metric("", "")}

    with pytest.raises(InputError, match="what of Blind is neither better nor worse"):
        run(tmp_path, 4, one_replica, validation=Blind())
