"""What the verb `doctor` finds."""

import pytest

from tf_shortrun.cli import doctor


@pytest.fixture
def facts(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))

    def told():
        doctor.doctor()
        lines = capsys.readouterr().out.splitlines()
        return {line[:24].strip(): line[25:] for line in lines}

    return told


def test_it_names_versions_devices_memory_disk_and_a_right_chain(facts):
    told = facts()
    names = {"tensorflow", "python", "cpu", "devices", "oneDNN", "memory of tensors"}
    assert names <= told.keys() and "CPU:0" in told["devices"]
    assert float(told["free disk here"].split()[0]) > 0
    assert told["chain, graph and eager"].startswith("agree")


def test_missing_data_come_with_what_to_do_and_prepared_data_with_their_names(facts, tmp_path):
    assert "prepare_data" in facts()["what to do"]
    for name in ("mnist", "cifar10"):
        (tmp_path / name / "3.0.1").mkdir(parents=True)
        (tmp_path / name / "3.0.1" / "dataset_info.json").touch()
    told = facts()
    assert "what to do" not in told and "cifar10 mnist" in told["data in"]


def test_a_chain_that_is_compiled_wrongly_is_found(facts, monkeypatch):
    right = doctor._langevin_chain()
    calls = iter([0.0, 0.01])
    monkeypatch.setattr(
        doctor, "_langevin_chain", lambda: lambda: [z + next(calls) for z in right()[:1]]
    )
    assert facts()["chain, graph and eager"].startswith("DISAGREE by 0.01")
