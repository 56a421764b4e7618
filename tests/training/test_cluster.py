"""Several machines: a TF_CONFIG that cannot be used, and what the loss of a machine looks like."""

import json

import pytest
import tensorflow as tf

from tf_shortrun.cli import process
from tf_shortrun.core.errors import InputError
from tf_shortrun.training import together, workers

WORKERS = {"worker": ["localhost:1", "localhost:2"]}


@pytest.mark.parametrize(
    "text",
    [
        "junk",
        "",
        "3",
        "[]",
        "{}",
        json.dumps({"cluster": WORKERS}),
        json.dumps({"cluster": {}, "task": {"type": "worker", "index": 0}}),
        json.dumps({"cluster": WORKERS, "task": {"type": "worker", "index": 2}}),
        json.dumps({"cluster": WORKERS, "task": {"type": "worker", "index": -1}}),
        json.dumps({"cluster": WORKERS, "task": {"type": "worker", "index": "0"}}),
        json.dumps({"cluster": WORKERS, "task": {"type": "chef", "index": 0}}),
        json.dumps({"cluster": [WORKERS], "task": {"type": "worker", "index": 0}}),
        json.dumps({"cluster": WORKERS | {"ps": []}, "task": {"type": "worker", "index": 0}}),
        json.dumps({"cluster": {"worker": "localhost:1"}, "task": {"type": "worker", "index": 0}}),
        json.dumps({"cluster": {"worker": [1, 2]}, "task": {"type": "worker", "index": 0}}),
    ],
)
def test_what_is_no_cluster_is_refused(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(InputError, match="unset it to train on one machine") as error:
        workers.strategy()
    assert "\n" not in str(error.value)


class Resolver:
    """A strategy as far as `leads` needs it."""

    def __init__(self, cluster, kind, index):
        spec = tf.train.ClusterSpec(cluster)
        self.cluster_resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
            spec, task_type=kind, task_id=index
        )


def test_one_machine_leads_also_in_a_cluster_with_a_chief(one_replica):
    chief = {"chief": ["localhost:3"], **WORKERS}
    assert workers.leads(Resolver(WORKERS, "worker", 0)) and workers.leads(one_replica)
    assert not workers.leads(Resolver(WORKERS, "worker", 1))
    assert workers.leads(Resolver(chief, "chief", 0))
    assert not workers.leads(Resolver(chief, "worker", 0))


LOSSES = [
    tf.errors.UnavailableError(None, None, "Socket closed"),
    tf.errors.DeadlineExceededError(None, None, "Deadline Exceeded"),
    tf.errors.InternalError(None, None, "Collective ops is aborted by: shutdown"),
]


@pytest.mark.parametrize("error", LOSSES, ids=lambda error: type(error).__name__)
def test_the_loss_of_a_machine_is_one_line_and_a_code_of_its_own(error, capsys):
    with pytest.raises(SystemExit) as end, process.ended_in_one_line("again"):  # noqa: SIM117
        with together.noticing(are_several=True):
            raise error
    assert end.value.code == 75
    line = f"tf_shortrun: another machine is gone ({type(error).__name__}): "
    assert capsys.readouterr().err == line + "start all machines again, again\n"


def test_other_errors_keep_their_traceback():
    bug = tf.errors.InvalidArgumentError(None, None, "Incompatible shapes")
    with pytest.raises(tf.errors.InvalidArgumentError), together.noticing(are_several=True):
        raise bug
    with pytest.raises(tf.errors.UnavailableError), together.noticing(are_several=False):
        raise LOSSES[0]


def test_one_machine_agrees_with_itself(one_replica):
    machines = together.Machines(one_replica)
    machines.agree("a plan")
    machines.wait()
    assert machines.largest(15) == 15
