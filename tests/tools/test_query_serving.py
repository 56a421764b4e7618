"""The client of a server refuses what is no answer, in one clean line and in time."""

import json
import os
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from serving_double import misbehave
from tools import query_serving
from tools.serving import limits, rest

SHAPE = {"dim": [{"size": size} for size in ("-1", "4", "6", "1")]}


def http(content, status="200 OK"):
    """Returns the reply of a server."""
    if not isinstance(content, bytes):
        content = json.dumps(content).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(content)}\r\n\r\n".encode()
    return lambda _, write: write(head + content)


def metadata(shape=SHAPE):
    inputs = {"image": {"tensor_shape": shape}}
    signatures = {"reconstruct_each": {"inputs": inputs}}
    return {"metadata": {"signature_def": {"signature_def": signatures}}}


def arguments(url, out, *options):
    num = [] if any(option.startswith("--image") for option in options) else ["--n=2"]
    return [f"--url={url}", "--model=m", f"--out={out}", *num, *options]


@pytest.fixture
def refuses(tmp_path, capsys):
    """Returns a function that checks that a server is refused in one line, and returns the line."""

    def refused(reply, *options, url=None):
        out = tmp_path / "out.png"
        with misbehave(reply) as server:
            assert query_serving.main(arguments(url or server, out, *options)) == 2
        told = capsys.readouterr()
        assert not out.exists() and told.out == ""
        assert told.err.startswith("query_serving: ") and told.err.endswith("\n")
        assert told.err[:-1].isprintable() and len(told.err) < 1200
        return told.err

    return refused


@pytest.fixture
def picture(tmp_path):
    Image.new("L", (6, 4), 51).save(tmp_path / "in.png")
    return f"--image={tmp_path / 'in.png'}"


def images(num=2, shape=(4, 6, 1), value=0.0):
    return np.full([num, *shape], value).tolist()


def test_a_good_answer_is_a_picture(tmp_path, picture, capsys):
    def reply(path, write):
        answer = metadata() if path.endswith("/metadata") else {"predictions": images(1, value=0.2)}
        http(answer)(path, write)

    out = tmp_path / "out.png"
    with misbehave(reply) as url:
        assert query_serving.main(arguments(url, out, picture)) == 0
    assert capsys.readouterr() == (f"{out}\n", "")
    pixels = np.asarray(Image.open(out))
    assert (pixels[:, :6] == 51).all() and (pixels[:, 6:] == 153).all()


GARBAGE = {
    "a list": [1, 2],
    "a number": 7,
    "nothing": None,
    "other keys": {"outcomes": []},
    "no body": b"",
    "no JSON": b"<html>",
    "no text": b"\xff\xfe\xfd",
    "nested without end": b"[" * 100_000,
    "a number of a million digits": b'{"predictions": ' + b"9" * 10**6 + b"}",
    "ragged": {"predictions": [[1.0], [1.0, 2.0]]},
    "words": {"predictions": [[[["0.5"]]]] * 2},
    "truths": {"predictions": [[[[True]]]] * 2},
    "objects": {"predictions": {"images": 1}},
    "null": {"predictions": None},
    "scalar": {"predictions": 0.5},
    "no images": {"predictions": []},
    "empty images": {"predictions": [[[]], [[]]]},
    "points": {"predictions": [[0.0, 1.0]] * 2},
    "two channels": {"predictions": images(shape=(4, 6, 2))},
    "too few": {"predictions": images(1)},
    "too many": {"predictions": images(3)},
    "NaN": {"predictions": images(value=float("nan"))},
    "infinite": {"predictions": images(value=float("inf"))},
    "beyond float32": {"predictions": images(value=1e39)},
    "beyond float64": b'{"predictions": [[[[1e999]]], [[[0]]]]}',
    "integers beyond float64": {"predictions": [[[[10**400]]], [[[0]]]]},
}


@pytest.mark.parametrize("content", GARBAGE.values(), ids=GARBAGE)
def test_garbage_instead_of_images_is_refused(content, refuses, recwarn):
    refuses(http(content))
    assert not len(recwarn)


METADATA = {
    "a list": [],
    "null": {"metadata": None},
    "no signatures": {"metadata": {"signature_def": {"signature_def": None}}},
    "a list of signatures": {
        "metadata": {"signature_def": {"signature_def": ["reconstruct_each"]}}
    },
    "no shape": metadata(None),
    "sizes without size": metadata({"dim": [{}] * 4}),
    "sizes of words": metadata({"dim": [{"size": "x"}] * 4}),
    "infinite sizes": metadata({"dim": [{"size": float("inf")}] * 4}),
    "negative sizes": metadata({"dim": [{"size": size} for size in (-1, -4, -6, 1)]}),
    "huge sizes": metadata({"dim": [{"size": size} for size in (-1, 100_000, 100_000, 3)]}),
    "other shape than the answer": metadata({"dim": [{"size": size} for size in (-1, 5, 5, 1)]}),
}


@pytest.mark.parametrize("content", METADATA.values(), ids=METADATA)
def test_garbage_instead_of_metadata_is_refused(content, refuses, picture):
    def reply(path, write):
        answer = content if path.endswith("/metadata") else {"predictions": images(1)}
        http(answer)(path, write)

    begin = time.monotonic()
    refuses(reply, picture)
    assert time.monotonic() - begin < 2


PROTOCOL = {
    "no HTTP": b"SSH-2.0\r\n",
    "nothing": b"",
    "a status that is no number": b"HTTP/1.1 abc\r\n\r\n",
    "a line without end": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 10**6,
    "a thousand headers": b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 1000 + b"\r\n",
    "less than announced": b'HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{"predictions"',
    "chunks without size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
    "a redirection to a file": b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n",
    "a redirection to itself": b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("content", PROTOCOL.values(), ids=PROTOCOL)
def test_a_broken_protocol_is_refused(content, refuses):
    refuses(lambda _, write: write(content))


def test_a_body_without_end_is_bounded(refuses, monkeypatch):
    sent = [0]

    def reply(_, write):
        write(b"HTTP/1.1 200 OK\r\n\r\n")
        while sent[0] < 2**28:
            sent[0] += write(bytes(2**16))

    monkeypatch.setattr(limits, "MAX_BYTES", 2**20)
    assert "answers with more than 1048576 bytes: ask for fewer" in refuses(reply)
    assert sent[0] < 2**26  # what the sockets hold


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_an_answer_that_drips_ends_at_the_deadline(start, refuses):
    def reply(_, write):
        write(start)
        for _ in range(40):
            write(b" ")
            time.sleep(0.05)

    begin = time.monotonic()
    assert "did not finish in 0.3 seconds" in refuses(reply, "--timeout=0.3")
    assert 0.3 <= time.monotonic() - begin < 1.5


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "1e300"])
def test_a_deadline_is_a_number_of_seconds(value, refuses):
    assert "--timeout is" in refuses(http({}), f"--timeout={value}")


@pytest.mark.parametrize("status", ["400 Bad\x1b[31m", "500 Oops", "302 Found"])
@pytest.mark.parametrize(
    "content",
    [
        {
            "error": "red \x1b[31m, bell \a, \x9b2J, line\nnext, back\r, turned \u202e "
            + "x" * 10**5
        },
        {"error": {"code": [1]}},
        ["error"],
        b"\xff",
    ],
)
def test_errors_of_the_server_are_one_clean_line(status, content, refuses):
    assert f"answers {status[:3]}: " in refuses(http(content, status))


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1", "http://", "//x", "[::1"])
def test_only_http_is_opened(url, refuses, monkeypatch):
    monkeypatch.setattr(rest.Rest, "_ask", None)
    assert "unknown url type" in refuses(http({}), url=url)


@pytest.mark.parametrize("kind", ["pipe", "bomb", "cut", "folder"])
def test_a_picture_that_cannot_be_read_is_refused(kind, tmp_path, refuses, recwarn):
    path = tmp_path / "bad.png"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        Image.new("L", (50, 50)).save(path)
        data = bytearray(path.read_bytes())
        if kind == "bomb":
            data[16:24] = (60_000).to_bytes(4, "big") * 2
            data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
        path.write_bytes(data[:60] if kind == "cut" else data)
    line = refuses(http(metadata()), f"--image={path}", "--timeout=5")
    assert "bad.png cannot be read as a picture" in line and not len(recwarn)
    assert kind != "bomb" or "decompression bomb" in line


def test_the_process_ends_at_the_deadline_too(tmp_path):
    root = Path(__file__).parents[2]
    program = [sys.executable, "-m", "tools.query_serving"]
    with misbehave(lambda *_: time.sleep(3)) as url:
        begin = time.monotonic()
        options = arguments(url, tmp_path / "out.png", "--timeout=0.2")
        done = subprocess.run([*program, *options], cwd=root, capture_output=True, text=True)
        assert time.monotonic() - begin < 2.5
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and not done.stdout
