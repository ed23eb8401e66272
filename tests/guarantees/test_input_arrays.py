"""A .npz is data: no pickle is opened, and no declared size is believed, whoever reads it."""

from __future__ import annotations

import io
import os
import pickle
import resource
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import swarmsim.untrusted
from swarmsim.data.joined import Joined
from swarmsim.data.medmnist import Medmnist
from swarmsim.data.npz import Npz
from swarmsim.partition.file import read_partition
from swarmsim.types import InputError

CANARY = "opened"


class Payload:
    """A pickle that writes a file when it is opened."""

    def __reduce__(self):
        return (Path.touch, (Path(CANARY),))


def header(shape: str, descr: str = "'<f8'") -> bytes:
    """The beginning of an .npy file that declares a shape and a type."""
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode() + b" " * 40 + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


HOSTILE: dict[str, bytes] = {
    "pickle": npy(np.array([Payload()], dtype=object)),
    "objects": header("(1,)", "'|O'") + pickle.dumps([Payload()]),
    "objects inside": npy(np.array([(1, "x")], dtype=[("a", "i8"), ("b", "O")])),
    "huge": header("(10**15,)".replace("10**15", str(10**15))) + b"\0" * 64,
    "huge in two": header(f"({2**40}, {2**40})") + b"\0" * 64,
    "huge text": header("(1,)", "'<U500000000'") + b"\0" * 64,
    "negative": header("(-1,)") + b"\0" * 64,
    "negative twice": header("(-4, -2)") + b"\0" * 64,
    "not whole": header("(1.5,)") + b"\0" * 64,
    "true": header("(True,)") + b"\0" * 64,
    "nested": header("(" * 4_000 + ")" * 4_000) + b"\0" * 64,
    "long": header(f"({'1, ' * 4_000})") + b"\0" * 64,
    "call": header("(__import__('os').getpid(),)") + b"\0" * 64,
    "unknown type": header("(1,)", "'<q9'") + b"\0" * 64,
    "structure": npy(np.zeros(4, dtype=[("a", "i4")])),
    "array in array": header("(1,)", "('<f8', (2,))") + b"\0" * 64,
    "dates": npy(np.array(["2020-01-01"], dtype="datetime64[D]")),
    "complex": npy(np.zeros(4, complex)),
    "torn": header("(10,)") + b"\0" * 8,
    "half a header": header("(10,)")[:20],
    "version 9": b"\x93NUMPY\x09\x00" + b"\0" * 50,
    "too much": npy(np.zeros(3)) + b"x" * 10,
    "half characters": header("(1,)", "'<U1'") + struct.pack("<I", 0xD800),
    "no characters": header("(1,)", "'<U1'") + struct.pack("<I", 0x7FFFFFFF),
    "empty": b"",
}  # fmt: skip


def zipped(path: Path, members: dict[str, bytes], **options) -> Path:
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


IMAGES, LABELS = np.zeros((6, 4, 4), np.uint8), np.array([0, 1, 0, 1, 0, 1], np.uint8)
FILES: dict[str, dict[str, np.ndarray]] = {
    "npz": {"x": np.arange(12.0).reshape(6, 2), "y": LABELS},
    "medmnist": {f"{part}_{what}": values for part in ("train", "val", "test")
                 for what, values in (("images", IMAGES), ("labels", LABELS))},
    "joined": {"ids": np.arange(6), "images": np.arange(12.0).reshape(6, 2), "ill": LABELS},
    "partition": {"names": np.array(["a", "b"]), "lengths": np.array([[2, 1, 0], [1, 1, 1]]), "rows": np.arange(6)},
}  # fmt: skip


def _joined(path: Path):
    one = {"path": str(path), "id": "ids", "features": "images"}
    return Joined.model_validate({"tables": {"a": one, "b": one}, "labels": "a", "target": "ill"}).load(None, 0)


READERS: dict[str, Callable[[Path], object]] = {
    "npz": lambda path: Npz(path=str(path)).load(None, 0),
    "medmnist": lambda path: Medmnist(path=str(path)).load(None, 0),
    "joined": _joined,
    "partition": read_partition,
}


@pytest.fixture(params=READERS)
def reader(request, tmp_path, monkeypatch):
    """A reader of .npz files, the names of its arrays with their bytes, and where to write one."""
    monkeypatch.chdir(tmp_path)
    contents = {name: npy(array) for name, array in FILES[request.param].items()}
    return READERS[request.param], contents, tmp_path / "file.npz"


def causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def refused(read: Callable[[Path], object], path: Path) -> str:
    """The message of a refusal that neither opens a pickle nor takes much memory."""
    limit = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, limit[1]))
    try:
        with pytest.raises(InputError) as caught:
            read(path)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limit)
    assert not Path(CANARY).exists()
    assert not any(isinstance(cause, MemoryError) for cause in causes(caught.value))
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 1_000
    return message


def test_good_files_are_read(reader):
    read, contents, path = reader
    for options in ({}, {"compression": zipfile.ZIP_DEFLATED}, {"compression": zipfile.ZIP_LZMA}):
        assert read(zipped(path, contents, **options))


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_arrays_are_refused(reader, kind):
    read, contents, path = reader
    for name in contents:
        refused(read, zipped(path, contents | {name: HOSTILE[kind]}))


def test_files_that_only_end_in_npz_are_refused(reader):
    read, _, path = reader
    for content in (
        pickle.dumps(Payload()),
        HOSTILE["huge"],
        HOSTILE["pickle"],
        npy(np.zeros(3)),
        b"",
        b"PK\3\4",
        b"x",
    ):
        path.write_bytes(content)
        refused(read, path)
    path.unlink()
    os.mkfifo(path)
    refused(read, path)
    path.unlink()
    path.symlink_to("/dev/zero")
    refused(read, path)
    path.unlink()
    path.mkdir()
    refused(read, path)


def test_archives_that_are_not_plain_are_refused(reader):
    read, contents, path = reader
    whole = zipped(path, contents).read_bytes()
    start = whole.index(b"PK\1\2")
    for offset, value in ((8, b"\1\0"), (10, b"\x63\0")):  # encrypted; of an unknown compression
        path.write_bytes(whole[: start + offset] + value + whole[start + offset + 2 :])
        refused(read, path)
    path.write_bytes(whole[:-30])
    refused(read, path)
    many = zipped(path, contents | {f"more{k}": b"" for k in range(swarmsim.untrusted.MEMBERS)})
    assert "more than 1000 arrays" in refused(read, many)


def test_an_archive_that_would_expand_without_bound_is_refused(reader, monkeypatch):
    read, contents, path = reader
    monkeypatch.setattr(swarmsim.untrusted, "SMALL", 2**16)
    for name in contents:
        bomb = contents | {name: npy(np.zeros((2**14, 2)))}
        assert "would expand to 262144 bytes" in refused(read, zipped(path, bomb, compression=zipfile.ZIP_DEFLATED))


def test_a_size_in_the_archive_is_not_believed_either(reader):
    """The directory of the archive says a petabyte, and so does the array."""
    read, contents, path = reader
    name = next(iter(contents))
    whole = bytearray(zipped(path, contents | {name: HOSTILE["huge"]}).read_bytes())
    place = whole.index(b"PK\1\2") + 24
    whole[place : place + 4] = struct.pack("<I", 2**32 - 2)
    path.write_bytes(whole)
    refused(read, path)


def test_a_declared_size_is_compared_with_what_is_there(reader):
    read, contents, path = reader
    for name in contents:
        said = refused(read, zipped(path, contents | {name: header("(1000000,)") + b"\0" * 64}))
        assert "declares 8000000 bytes, and holds at most" in said
        assert "more behind it" in refused(read, zipped(path, contents | {name: contents[name] + b"x"}))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"names": np.array(["a", "a"])}, "twice"),
        ({"names": np.array([["a", "b"]])}, "twice"),
        ({"lengths": np.array([[2**62, 2**62, 2**62], [2**62, 1, 5]])}, "do not fit"),
        ({"lengths": np.array([[-2, 5, 0], [1, 1, 1]])}, "do not fit"),
        ({"lengths": np.array([[2, 1, 0]])}, "do not fit"),
        ({"lengths": np.array([[2.5, 0.5, 0], [1, 1, 1]])}, "do not fit"),
        ({"rows": np.arange(6.0)}, "not a partition that swarmsim wrote"),
        ({"rows": np.arange(6).reshape(6, 1)}, "do not fit"),
    ],
)
def test_a_partition_that_does_not_add_up_is_refused(tmp_path, change, says):
    path = tmp_path / "file.npz"
    np.savez(path, **FILES["partition"] | change)
    with pytest.raises(InputError, match=says):
        read_partition(path)
