"""The files for Kubernetes and Slurm on the page about several machines give a TF_CONFIG to each.

Neither is here: stand-ins of `srun`, `scontrol` and `python` run their commands.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tf_shortrun.training import workers

PAGE = (Path(__file__).parents[2] / "docs/guide/several_machines.md").read_text()
STANDINS = {
    "python": 'echo "$TF_CONFIG" > "$TOLD"; echo "$@" >> "$TOLD.args"; exit ${CODE:-0}',
    "scontrol": 'case $1 in show) printf "n1\\nn2\\n";; requeue) echo $2 > "$TOLD.again";; esac',
    "srun": "shift; for i in 0 1; do SLURM_PROCID=$i TOLD=$TOLD$i \"$@\" || code=$?; done; "
    "exit ${code:-0}",
}  # fmt: skip


def block(language):
    return re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[1]


def run(script, folder, **variables):
    for name, body in STANDINS.items():
        (folder / name).write_text(f"#!/bin/bash\n{body}\n")
        (folder / name).chmod(0o755)
    path = f"{folder}:{os.environ['PATH']}"
    environment = {"PATH": path, "TOLD": str(folder / "told"), **variables}
    return subprocess.run(["bash", "-c", script], env=environment, timeout=30).returncode


def check(text, monkeypatch):
    """Returns the cluster and the index, if this package takes this TF_CONFIG."""
    workers._check_cluster(text)
    monkeypatch.setenv("TF_CONFIG", text)
    resolver = workers.tf.distribute.cluster_resolver.TFConfigClusterResolver()
    return resolver.cluster_spec().as_dict()["worker"], resolver.task_id


@pytest.mark.parametrize("index", [0, 1])
def test_a_pod_of_the_jobset_knows_its_cluster(index, tmp_path, monkeypatch):
    yaml = pytest.importorskip("yaml")  # with what builds the pages
    jobset = yaml.safe_load(block("yaml"))
    (job,) = jobset["spec"]["replicatedJobs"]
    name, spec = jobset["metadata"]["name"], job["template"]["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    shell, option, script = container["command"]
    assert (shell, option) == ("bash", "-c")
    assert run(script, tmp_path, JOB_COMPLETION_INDEX=str(index)) == 0
    hosts, own = check((tmp_path / "told").read_text(), monkeypatch)
    assert own == index and len(hosts) == spec["parallelism"] == spec["completions"]
    assert hosts == [f"{name}-{job['name']}-0-{i}.{name}:12345" for i in range(len(hosts))]


def test_a_task_of_slurm_knows_its_cluster(tmp_path, monkeypatch):
    assert run(block("bash"), tmp_path, SLURM_JOB_NODELIST="n[1-2]") == 0
    for index in (0, 1):
        text = (tmp_path / f"told{index}").read_text()
        assert check(text, monkeypatch) == (["n1:12345", "n2:12345"], index)
        assert "--workdir=/shared/celeba" in (tmp_path / f"told{index}.args").read_text()
    assert not (tmp_path / "told.again").exists()


@pytest.mark.parametrize(("code", "is_queued"), [(75, True), (143, True), (137, True), (2, False)])
def test_slurm_queues_again_what_can_go_on(code, is_queued, tmp_path):
    given = {"SLURM_JOB_NODELIST": "n[1-2]", "SLURM_JOB_ID": "7", "CODE": str(code)}
    assert run(block("bash"), tmp_path, **given) == code
    assert (tmp_path / "told.again").exists() == is_queued
