"""The file of a result, where a number comes from, and the table of verdicts."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from result_fields import FIELDS, with_metrics
from tf_shortrun.core import usage
from tf_shortrun.core.errors import InputError
from tf_shortrun.reporting import provenance, results
from tools import results_table


def _write(path, **changes):
    words = with_metrics(changes.pop("metrics")) if "metrics" in changes else {}
    results.write(path, **(FIELDS | words | changes))
    return path


def _one_line(error):
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_is_written_is_read(tmp_path):
    path = _write(tmp_path / "results.json", metrics={"mse@2K": np.float32(0.5), "kid/a": 1})
    data = json.loads(path.read_text())
    assert data == FIELDS | with_metrics({"mse@2K": 0.5, "kid/a": 1.0})
    assert list(data) == list(FIELDS)
    assert results.read(path) == results.Result(**data)


def test_a_name_joins_method_data_set_and_variant():
    assert results.Result(**FIELDS).name == "vae_mnist"
    assert results.Result(**FIELDS | {"variant": "layers3"}).name == "vae_mnist_layers3"


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("protocol", {}),
        ("better", {}),
        ("protocol", {"mse": "On ten images.", "kid/a": "Of nothing."}),
        ("better", {"mae": "lower"}),
    ],
)
def test_numbers_without_words_are_refused_and_nothing_is_written(tmp_path, place, words):
    with pytest.raises(InputError) as error:
        _write(tmp_path / "a.json", **{place: words})
    assert "which way is better" in _one_line(error)
    assert not list(tmp_path.iterdir())


def test_a_run_that_diverged_has_no_metrics(tmp_path):
    path = _write(tmp_path / "a.json", status="diverged", metrics={}, steps=40)
    assert results.read(path).status == "diverged"
    with pytest.raises(InputError, match="'lost'.*finished, diverged"):
        _write(tmp_path / "b.json", status="lost")


def test_an_unknown_scale_is_refused(tmp_path):
    with pytest.raises(InputError, match="'paper'"):
        _write(tmp_path / "a.json", scale="gpu")


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "{}", '{"method": "vae"}', '{"other": 1}'])
def test_other_files_are_no_results(tmp_path, text):
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        results.read(path)
    assert str(path) in _one_line(error)


def test_a_write_that_fails_leaves_the_old_file_alone(tmp_path, monkeypatch):
    path = _write(tmp_path / "results.json")
    before = path.read_text()

    def full(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="disk full"):
        _write(path, metrics={"mse": 9.0})
    assert path.read_text() == before
    assert list(tmp_path.iterdir()) == [path]


def test_hardware_and_versions_say_what_runs_here():
    hardware = provenance.hardware()
    assert set(hardware) == {"cpu", "cores", "memory_gib", "gpus"}
    assert hardware["cpu"]
    assert hardware["cores"] == os.cpu_count()
    assert provenance.versions()["numpy"] == np.__version__
    json.dumps(hardware)


def test_peak_memory_is_in_gib():
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("no /proc here")
    block = np.ones(2**25)  # a quarter of a GiB
    peak_kib = next(x.split()[1] for x in status.read_text().splitlines() if x.startswith("VmHWM"))
    assert usage.peak_memory_gib() == pytest.approx(int(peak_kib) / 2**20, rel=0.05)
    assert usage.peak_memory_gib() > block.nbytes / 2**30


WHO = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]


@pytest.fixture
def checkout(tmp_path):
    if shutil.which("git") is None:
        pytest.skip("no git here")
    for name in ("tf_shortrun/a.py", "gin/a.gin", "reproduce/a.gin", "reproduce/README.md", "b.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("old")
    for command in (["init"], ["add", "."], [*WHO, "commit", "-m", "first"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True, capture_output=True)
    return tmp_path


def test_a_clean_checkout_gives_its_commit(checkout):
    for name in ("b.md", "reproduce/README.md", "tf_shortrun/untracked.py"):
        (checkout / name).write_text("new")  # nothing that decides a number and is tracked
    command = ["git", "-C", str(checkout), "log", "-1", "--format=%H"]
    assert provenance.commit(checkout) == subprocess.check_output(command, text=True).strip()


@pytest.mark.parametrize("name", ["tf_shortrun/a.py", "gin/a.gin", "reproduce/a.gin"])
def test_changed_code_or_settings_make_a_commit_dirty(checkout, name):
    (checkout / name).write_text("new")
    assert provenance.commit(checkout).endswith("+dirty")


def test_without_an_own_checkout_there_is_no_commit(checkout, tmp_path_factory, monkeypatch):
    assert provenance.commit(checkout / "tf_shortrun") is None  # somebody else's checkout
    assert provenance.commit(tmp_path_factory.mktemp("plain")) is None
    monkeypatch.setenv("PATH", "")
    assert provenance.commit(checkout) is None  # no git


def test_a_package_put_at_the_top_of_a_foreign_checkout_has_no_commit(checkout):
    assert provenance.commit(checkout) is not None
    move = ["mv", "tf_shortrun", "theirs"]
    for command in (move, [*WHO, "commit", "-m", "second"]):
        subprocess.run(["git", "-C", str(checkout), *command], check=True, capture_output=True)
    (checkout / "tf_shortrun").mkdir()
    (checkout / "tf_shortrun/a.py").write_text("installed with --target")
    assert provenance.commit(checkout) is None


TARGET = results_table.Target("paper", "mse", "<=", 0.3, "Table 1")


def _run(scale="paper", status="finished", **metrics):
    return results.Result(**FIELDS | with_metrics(metrics) | {"scale": scale, "status": status})


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([], ("", "NOT RUN")),
        ([_run(bound=-3.0)], ("", "NOT RUN")),
        ([_run(mse=0.2)], ("0.2", "PASS")),
        ([_run(mse=0.3)], ("0.3", "PASS")),
        ([_run(mse=0.3001)], ("0.3001", "FAIL")),
        ([_run(mse=float("nan"))], ("nan", "FAIL")),
        ([_run(mse=0.1), _run(mse=0.4)], ("0.25 (0.1 to 0.4, n = 2)", "PASS")),
        ([_run(mse=0.2), _run(mse=0.5)], ("0.35 (0.2 to 0.5, n = 2)", "FAIL")),
        ([_run("cpu", mse=0.2)], ("0.2 at scale cpu", "NOT RUN")),
        ([_run("cpu", mse=0.9)], ("0.9 at scale cpu", "NOT RUN")),
        ([_run("cpu", mse=0.9), _run(mse=0.2)], ("0.2", "PASS")),
        ([_run("cpu", mse=0.2), _run(mse=0.9)], ("0.9", "FAIL")),
        ([_run(mse=0.2), _run(status="diverged")], ("a run diverged", "FAIL")),
        ([_run(mse=0.2), _run("cpu", "diverged")], ("0.2", "PASS")),
    ],
)
def test_a_target_is_judged_at_its_own_scale(runs, expected):
    assert results_table.judge(TARGET, runs) == expected


def test_targets_of_the_cpu_judge_runs_on_the_cpu():
    target = TARGET._replace(scale="cpu")
    assert results_table.judge(target, [_run("cpu", mse=0.2)]) == ("0.2", "PASS")
    assert results_table.judge(target, [_run("cpu", mse=0.9)]) == ("0.9", "FAIL")
    assert results_table.judge(target, [_run(mse=0.2)]) == ("0.2 at scale paper", "NOT RUN")


def test_more_is_better_where_the_target_says_so():
    target = results_table.Target("paper", "modes", ">=", 100.0, "Table 2")
    assert results_table.judge(target, [_run(modes=100)]) == ("100", "PASS")
    assert results_table.judge(target, [_run(modes=99)]) == ("99", "FAIL")


HEADER = """\
# A pin.
# Paper: somebody, 2020
# Target: mse <= 0.0165 (quoted | by another: .015, tolerance 10 %)
# Target(cpu): modes >= 1e2 (our own bar)
import keras
# Target: nonsense, but not in the header
"""


@pytest.fixture
def reproduce(tmp_path):
    tmp_path = tmp_path / "reproduce"
    (tmp_path / "results").mkdir(parents=True)
    (tmp_path / "vae_mnist.gin").write_text(HEADER)
    (tmp_path / "faces.gin").write_text("# Results: short_run_faces\n# Target: f1 >= .5 (a)\n")
    (tmp_path / "plain.gin").write_text("# No target.\n")
    _write(tmp_path / "results" / "vae_mnist_0.json", metrics={"mse": 0.02, "modes": 200.0})
    return tmp_path


ROWS = """\
| [faces.gin](faces.gin) | f1 | >= 0.5 (a) |  | paper | NOT RUN |
| [vae_mnist.gin](vae_mnist.gin) | mse | <= 0.0165 (quoted \\| by another: .015, tolerance 10 %) \
| 0.02 | paper | FAIL |
| [vae_mnist.gin](vae_mnist.gin) | modes | >= 100 (our own bar) \
| 200 at scale paper | cpu | NOT RUN |

Without a target: plain.gin.
"""


def test_the_table_goes_round(reproduce, capsys):
    readme = reproduce / "README.md"
    readme.write_text("above\n<!-- results -->\nold\n<!-- /results -->\nbelow\n")
    assert results_table.main(["--check"], reproduce) == 2
    complaint = capsys.readouterr()
    assert complaint.err.count("\n") == 1
    assert "up to date" in complaint.err
    assert "old" in readme.read_text()

    assert results_table.main([], reproduce) == 0
    text = readme.read_text()
    assert text.startswith("above\n<!-- results -->\n| pin | metric |")
    assert text.endswith(ROWS + "<!-- /results -->\nbelow\n")
    assert results_table.main(["--check"], reproduce) == 0
    assert results_table.main([], reproduce) == 0
    assert readme.read_text() == text

    _write(reproduce / "results" / "vae_mnist_1.json", seed=1, metrics={"mse": 0.01})
    assert results_table.main(["--check"], reproduce) == 2
    assert results_table.main([], reproduce) == 0
    assert "| 0.015 (0.01 to 0.02, n = 2) | paper | PASS |" in readme.read_text()
    lines = (reproduce / "runs.md").read_text().splitlines()
    assert lines[2] == "- vae_mnist (scale paper, seed 0, 10 steps in 2 s): mse 0.02, modes 200"


def test_pages_that_ask_for_numbers_get_them(reproduce):
    (reproduce / "README.md").write_text("<!-- results -->\n<!-- /results -->\n")
    asks = "<!-- number: vae_mnist mse -->{}<!-- / -->\n"
    pages = [reproduce / "latent.md", reproduce.parent / "README.md"]
    pages.append(reproduce.parent / "docs/methods/vae.md")
    pages[-1].parent.mkdir(parents=True)
    for page in pages:
        page.write_text(asks.format(""))
    assert results_table.main(["--check"], reproduce) == 2
    assert results_table.main([], reproduce) == 0
    assert [page.read_text() for page in pages] == [asks.format("0.02")] * 3


def _index(reproduce):
    (reproduce / "README.md").write_text("<!-- results -->\n<!-- /results -->\n")
    assert results_table.main([], reproduce) == 0
    return (reproduce / "README.md").read_text()


def test_a_result_of_uncommitted_code_is_refused(reproduce, capsys):
    _write(reproduce / "results" / "vae_mnist_0.json", commit="1234567+dirty")
    (reproduce / "README.md").write_text("<!-- results -->\n<!-- /results -->\n")
    assert results_table.main([], reproduce) == 2
    assert "in no commit" in capsys.readouterr().err


def test_a_pin_may_name_its_results(reproduce):
    path = reproduce / "results" / "short_run_faces_0.json"
    _write(path, method="short_run", dataset="faces", metrics={"f1": 0.6})
    assert "| f1 | >= 0.5 (a) | 0.6 | paper | PASS |" in _index(reproduce)


def test_a_pin_with_several_results_is_judged_by_the_first(reproduce):
    header = "# Target: f1 >= .5 (a)\n# Results: short_run_faces\n# Results: short_run_faces_b\n"
    (reproduce / "faces.gin").write_text(header)
    for variant, f1 in (("", 0.6), ("b", 0.1)):
        name = "short_run_faces_b_0" if variant else "short_run_faces_0"
        path = reproduce / "results" / f"{name}.json"
        _write(path, method="short_run", dataset="faces", variant=variant, metrics={"f1": f1})
    assert "| f1 | >= 0.5 (a) | 0.6 | paper | PASS |" in _index(reproduce)
    assert "short_run_faces_b (scale paper" in (reproduce / "runs.md").read_text()


@pytest.mark.parametrize(
    ("file", "text", "hint"),
    [
        ("a.gin", "# Target: mse < 1 (a)\n", "NAME <= NUMBER (source)"),
        ("a.gin", "# Target: mse <= one (a)\n", "NAME <= NUMBER (source)"),
        ("a.gin", "# Target: mse <= 1\n", "NAME <= NUMBER (source)"),
        ("a.gin", "# Target(gpu): mse <= 1 (a)\n", "NAME <= NUMBER (source)"),
        ("vae_mnist.gin", "# Target: mse >= 1 (a)\n", "lower is better"),
        ("vae_mnist.gin", "# Target: modes <= 1 (a)\n", "higher is better"),
        ("a.gin", "# Results: vae_mnist\n", "'# Results: NAME'"),
        ("results/abp_mnist_0.json", {"method": "abp"}, "# Results: abp_mnist"),
        ("results/vae_mnist_7.json", {}, "vae_mnist_0.json"),
        ("results/vae_mnist_0.json", {"variant": "b"}, "vae_mnist_b_0.json"),
    ],
)
def test_mistakes_end_in_one_line(reproduce, capsys, file, text, hint):
    (reproduce / "README.md").write_text("<!-- results --><!-- /results -->")
    if file.endswith("gin"):
        (reproduce / file).write_text(text)
    else:
        _write(reproduce / file, **text)
    assert results_table.main([], reproduce) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert hint in error


@pytest.mark.parametrize(
    "text",
    [None, "", "<!-- results -->", "<!-- /results --><!-- results -->", "<!-- results -->" * 2],
)
def test_without_its_two_markers_the_readme_stays(reproduce, capsys, text):
    readme = reproduce / "README.md"
    if text is not None:
        readme.write_text(text)
    assert results_table.main([], reproduce) == 2
    assert "<!-- /results -->" in capsys.readouterr().err
    assert (readme.read_text() if readme.exists() else None) == text


def test_the_committed_table_is_up_to_date():
    assert results_table.main(["--check"]) == 0
