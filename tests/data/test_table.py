"""Tables in files: what is read, how it is split and scaled, and what is refused in one line."""

import numpy as np
import pytest
from scipy.io import savemat

from prepared import write_arrhythmia
from tf_shortrun.core.errors import InputError
from tf_shortrun.data import card, table_file
from tf_shortrun.data.columns import Columns
from tf_shortrun.data.table import table

HEARTS = "age,pressure,sick\n" + "".join(f"{50 + i},{120 - 2 * i},{int(i > 5)}\n" for i in range(8))


@pytest.fixture
def hearts(tmp_path):
    path = tmp_path / "hearts.csv"
    path.write_text(HEARTS)
    return str(path)


def test_half_of_the_inliers_are_for_training(tmp_path):
    path, labels = write_arrhythmia(tmp_path / "a.mat", 20, 6)
    data = table(path)
    train, test = (np.argmax(split.images[:, :-1], axis=1) for split in (data.train, data.test))
    assert len(train) == 7 and len(test) == 13 and data.name == "a"
    np.testing.assert_array_equal(np.sort([*train, *test]), np.arange(20))
    np.testing.assert_array_equal(data.train.labels, labels[train])
    np.testing.assert_array_equal(data.test.labels, labels[test])
    # Training rows alone set the range of the last column, i.
    low, high = train.min(), train.max()
    expected = np.clip((test - low) / (high - low), 0, 1).astype(np.float32)
    np.testing.assert_allclose(data.test.images[:, -1], expected, atol=1e-7)
    assert test.max() > high  # so that something was clipped
    assert data.digest != table(path, seed=1).digest


def test_the_kind_of_file_changes_nothing_but_names(hearts, tmp_path):
    rows = np.loadtxt(HEARTS.splitlines(), delimiter=",", skiprows=1)
    np.save(tmp_path / "hearts.npy", rows)
    np.savez(tmp_path / "hearts.npz", rows)
    savemat(tmp_path / "hearts.mat", {"X": rows[:, :2], "y": rows[:, 2:]})
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare/hearts.csv").write_text(HEARTS.split("\n", 1)[1])
    others = ("hearts.npy", "hearts.npz", "hearts.mat", "bare/hearts.csv")
    found = [table(str(tmp_path / name)) for name in others]
    data = table(hearts)
    assert {one.digest for one in (data, *found)} == {data.digest}
    assert {one.name for one in found} == {"hearts"}
    assert data.preparation.names == ("age", "pressure")
    assert found[0].preparation.names == ("column0", "column1")


def test_labels_may_be_words_in_any_column(tmp_path):
    path = tmp_path / "kinds.csv"
    path.write_text("kind,a\n" + "good,1\ngood,2\ngood,3\nbad,9\n")
    data = table(str(path), label="kind", anomaly="bad", train_share=0.7)
    assert data.train.images.shape == (2, 1) and sorted(data.test.labels) == [0, 1]
    assert table(str(path), label=0, anomaly="bad", train_share=0.7).digest == data.digest


def test_a_run_keeps_the_scaling(hearts, tmp_path):
    data = table(hearts)
    card.write(tmp_path, data)
    kept = card.stand_in(tmp_path).preparation
    assert kept == data.preparation and isinstance(kept, Columns)
    rows = table_file.rows_for(hearts, kept)
    np.testing.assert_allclose(kept.back(kept(rows))[:4], np.clip(rows, *_range(data))[:4])
    # In a graph, with float32, the same up to rounding; unscaled is the inverse of scaled.
    np.testing.assert_allclose(kept.scaled(rows.astype(np.float32)), kept(rows), atol=1e-5)
    np.testing.assert_allclose(kept.unscaled(kept(rows)), kept.back(kept(rows)), rtol=1e-5)


def _range(data):
    scale, offset = np.array(data.preparation.scale), np.array(data.preparation.offset)
    return -offset / scale, (1 - offset) / scale


def test_rows_to_score_are_found_by_name_or_place(hearts, tmp_path):
    columns = table(hearts).preparation
    expected = [[50 + i, 120 - 2 * i] for i in range(8)]
    (tmp_path / "other.csv").write_text(
        "name,pressure,age\n" + "".join(f"x{i},{120 - 2 * i},{50 + i}\n" for i in range(8))
    )
    np.save(tmp_path / "bare.npy", np.array(expected))
    for name in ("hearts.csv", "other.csv", "bare.npy"):
        np.testing.assert_array_equal(table_file.rows_for(tmp_path / name, columns), expected)
    np.save(tmp_path / "wide.npy", np.ones([2, 5]))
    with pytest.raises(InputError, match="wide.npy has 5 columns: give the 2 of training, age"):
        table_file.rows_for(str(tmp_path / "wide.npy"), columns)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (HEARTS.replace("50,120", "50,high"), "column pressure has 1 values .* 'high' in row 0"),
        (HEARTS.replace("52,116", "52,"), "column pressure has 1 values .* 'nan' in row 2"),
        (HEARTS.replace("52,116", "inf,116"), "column age has 1 values"),
        (HEARTS.replace(",1\n", ",0\n"), "the labels of .* are 0: bind table.anomaly"),
        ("age,sick\n", "has no rows"),
        ("", "cannot be read as a table"),
        ("1\n2\n", "has one column"),
        ("a,b\n1,2,3\n4,5,6\n", "cannot be read as a table"),
        ("a,b\n1,2\n4,5,6\n", "cannot be read as a table"),
    ],
)
def test_bad_tables_are_refused_in_one_line(tmp_path, content, words):
    path = tmp_path / "bad.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=words) as error:
        table(str(path))
    assert "bad.csv" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["missing.csv", "empty.mat", "text.mat", "only_x.txt", "one.npy"])
def test_other_files_are_refused(tmp_path, name):
    content = {"empty.mat": b"", "text.mat": b"text" * 100, "only_x.txt": b"1,2"}
    if name in content:
        (tmp_path / name).write_bytes(content[name])
    if name == "one.npy":
        np.save(tmp_path / name, np.eye(2)[0])
    with pytest.raises(InputError, match=name):
        table(str(tmp_path / name))


def test_an_array_of_objects_is_refused(tmp_path):
    np.save(tmp_path / "pickle.npy", np.array([[1, "a"]], object), allow_pickle=True)
    with pytest.raises(InputError, match=r"pickle\.npy cannot be read"):
        table(str(tmp_path / "pickle.npy"))


@pytest.mark.parametrize("changes", [{"label": "no"}, {"label": 9}, {"train_share": 1.0}])
def test_settings_that_make_no_sense_are_refused(hearts, changes):
    with pytest.raises(InputError):
        table(hearts, **changes)
