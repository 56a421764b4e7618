"""What TensorBoard reads back: a row of settings, the curves in the same file, and results."""

import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata, plugin_data_pb2

import toy_training as toy
from tf_shortrun.training import board
from tf_shortrun.training.configuration import Settings
from tf_shortrun.training.train import train


def row(place) -> dict:
    """Returns the settings as the hparams tab reads them."""
    found = EventAccumulator(str(place / "tensorboard")).Reload()
    tag = metadata.SESSION_START_INFO_TAG
    content = found.SummaryMetadata(tag).plugin_data.content
    hparams = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    return {name: getattr(value, value.WhichOneof("kind")) for name, value in hparams.items()}


def test_a_run_is_a_row_of_its_settings(tmp_path, one_replica):
    experiment = toy.experiment(4)
    configuration = {
        "Adam.learning_rate": "0.003",
        "TopDownGenerator.starts_at_mean": "True",
        "TopDownGenerator.features": "%FEATURES",
        "FEATURES": "16",
        "TopDownGenerator.latent_widths": "(12, 20)",
        "Experiment.method": "'short_run'",
        "LatentLikelihood.inference": "@short_run.ShortRun()",
        "data": "digits 1a8a0d0ee2c5",
    }
    learner = experiment.build(one_replica)
    train(experiment, one_replica, learner, tmp_path, Settings("", configuration))
    read = row(tmp_path)
    assert read == {
        "Adam.learning_rate": 0.003,
        "TopDownGenerator.starts_at_mean": True,
        "FEATURES": 16,
        "TopDownGenerator.latent_widths": "(12, 20)",
        "Experiment.method": "short_run",
        "LatentLikelihood.inference": "@short_run.ShortRun()",
        "data": "digits 1a8a0d0ee2c5",
        "num_steps": 4,
    }
    assert isinstance(read["TopDownGenerator.starts_at_mean"], bool)


def test_curves_come_after_the_row_in_one_file_and_results_behind_them(tmp_path, one_replica):
    toy.run(tmp_path, 4, one_replica)
    assert row(tmp_path)["seed"] == 1 and row(tmp_path)["batch_size"] == 8
    (file,) = (tmp_path / "tensorboard").iterdir()
    board.write_results(tmp_path, {"mse": 0.25, "frechet/x": 3.0}, step=4)
    found = EventAccumulator(str(tmp_path / "tensorboard"), size_guidance={"tensors": 0}).Reload()
    (result,) = found.Tensors("result/mse")
    assert result.step == 4 and tf.make_ndarray(result.tensor_proto) == pytest.approx(0.25)
    assert len(found.Tensors("mse")) == 2 and "result/frechet/x" in found.Tags()["tensors"]
    assert file.name < max(path.name for path in (tmp_path / "tensorboard").iterdir())
