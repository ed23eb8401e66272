"""Data, topology, partition and availability files, spoiled in any way, are read or refused with one clear error."""

from __future__ import annotations

import io
import os
import random
import struct
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from swarmsim.data.csv import Csv
from swarmsim.data.federate import federate
from swarmsim.data.image_folder import ImageFolder
from swarmsim.data.table import read_table
from swarmsim.partition.file import read_partition
from swarmsim.partition.natural import Natural
from swarmsim.schedule.faults import Churn
from swarmsim.schedule.trace import traced
from swarmsim.topology.file import File
from swarmsim.types import InputError
from tests.guarantees.input_case import INTERNAL
from tests.guarantees.test_input_arrays import FILES, READERS

TABLE = b"age,sex,site,ill\n50,f,north,1\n61,m,south,0\n44,f,north,0\n,m,south,1\n39,f,south,1\n"
NETWORK = (
    b"name: two\nnodes:\n  - {name: a}\n  - {name: b}\nedges:\n  - {src: a, dst: b, latency: 0.01, bandwidth: 1e6}\n"
)
GRAPHML = (
    b'<graphml xmlns="http://graphml.graphdrawing.org/xmlns"><key id="l" for="edge" attr.name="latency" '
    b'attr.type="double"/><graph edgedefault="undirected"><node id="a"/><node id="b"/><edge source="a" target="b">'
    b'<data key="l">0.01</data></edge></graph></graphml>'
)
EDGES = b"a b 0.01 1e6\nb c # far\n"
TRACE = b"round,a,b\n1,0,1\n2,1,1\n3,1,0\n"


def picture(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save(buffer, kind)
    return buffer.getvalue()


def arrays(name: str) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **FILES[name])
    return buffer.getvalue()


def csv(path: Path):
    return Csv(path=str(path), target="ill", site="site", categorical=("sex",)).load(None, 0)


def images(path: Path):
    """One class of good images, and one whose only image is the file."""
    root = path.parent / "images"
    for name in ("good", "spoiled"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "good" / "one.png").write_bytes(picture("PNG"))
    (root / "spoiled" / path.name).write_bytes(path.read_bytes())
    return ImageFolder(path=str(root), size=8).load(None, 0)


def topology(path: Path):
    return File(path=str(path)).graph(None, 0)


def trace(path: Path):
    return traced(Churn(use="trace", path=str(path)), ("a", "b"), 3)


KINDS: dict[str, tuple[bytes, Callable[[Path], object]]] = {
    "x.csv": (TABLE, csv), "x.png": (picture("PNG"), images), "x.jpg": (picture("JPEG"), images),
    "x.bmp": (picture("BMP"), images), "x.tif": (picture("TIFF"), images), "net.yaml": (NETWORK, topology),
    "x.graphml": (GRAPHML, topology), "x.edgelist": (EDGES, topology), "trace.csv": (TRACE, trace),
    **{f"{name}.npz": (arrays(name), READERS[name]) for name in READERS},
}  # fmt: skip
PIECES = (
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b",", b'"', b"\n", b"\r", b"\x1b[31m", b"nan", b"inf", b"1e999", b"-1",
    b"9" * 5_000, b"<", b"&x;", b"<!DOCTYPE x>", b"{", b"&a ", b"*a", b"!t ", b": ", b"\xc2\x85", b"\xed\xa0\x80",
    b"[" * 50,
)  # fmt: skip


def spoil(content: bytes, draw: random.Random) -> bytes:
    """One to three changes: bits, pieces that mean something to some reader, cuts, repeats."""
    for _ in range(draw.randint(1, 3)):
        at, end = sorted((draw.randint(0, len(content)), draw.randint(0, len(content))))
        middle = draw.choice((
            bytes(byte ^ 1 << draw.randrange(8) for byte in content[at : at + 1]) + content[at + 1 : end],
            draw.choice(PIECES) + content[at:end], content[at:end] * 2, b"",
            content[at:end].replace(draw.choice((b"0", b"a", b"1", b"\n")), draw.choice(PIECES)),
        ))  # fmt: skip
        content = content[:at] + middle + content[end:]
    return content


def taken(name: str, seed: int, index: int, folder: Path) -> str:
    """The message with which a spoiled file is refused, or nothing where it is read."""
    content, read = KINDS[name]
    path = folder / name
    path.write_bytes(spoil(content, random.Random(f"{name}/{seed}/{index}")))
    before = time.process_time()
    try:
        read(path)
    except InputError as error:
        message = str(error)
        assert len(message) < 4_000
        assert message.replace("\n", "").isprintable(), repr(message)
        assert not INTERNAL.search(message.replace(str(folder), "")), message
        return message
    finally:
        assert time.process_time() - before < 2
    return ""


def many(name: str, seed: int, count: int, folder: Path) -> None:
    assert KINDS[name][1](write(folder, name)) is not None
    messages = []
    for index in range(count):
        try:
            messages.append(taken(name, seed, index, folder))
        except Exception as error:
            raise AssertionError(
                f"replay: python -m tests.guarantees.test_input_files {name} {seed} {index}"
            ) from error
    assert any(messages)


def write(folder: Path, name: str) -> Path:
    (folder / name).write_bytes(KINDS[name][0])
    return folder / name


@pytest.mark.parametrize("name", KINDS)
def test_a_spoiled_file_is_read_or_refused(tmp_path, name):
    many(name, 1, 60, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_a_thousand_spoiled_files_are(tmp_path, name):
    many(name, 2, 1_000, tmp_path)


@pytest.mark.parametrize("name", KINDS)
def test_what_never_ends_is_not_opened(tmp_path, name):
    """A pipe that nobody writes to, a device, a folder, and a link to itself."""
    read = KINDS[name][1] if not name.startswith("x.") or name in ("x.csv", "x.graphml") else inside
    path = tmp_path / name
    for make in (os.mkfifo, lambda at: at.symlink_to("/dev/zero"), Path.mkdir, lambda at: at.symlink_to(at)):
        make(path)
        with pytest.raises(InputError):
            read(path)
        path.rmdir() if path.is_dir() else path.unlink()


def inside(path: Path):
    """The path as an image among images."""
    (path.parent / "all" / "a").mkdir(parents=True, exist_ok=True)
    (path.parent / "all" / "b").mkdir(exist_ok=True)
    (path.parent / "all" / "a" / "one.png").write_bytes(picture("PNG"))
    link = path.parent / "all" / "b" / "x.png"
    link.unlink(missing_ok=True)
    link.symlink_to(path)
    return ImageFolder(path=str(path.parent / "all"), size=8).load(None, 0)


@pytest.mark.parametrize("path", ["", ".", "/", "~nobody-of-that-name/x", "x" * 5_000, "a\0b", "/dev/zero", "\ud800"])
def test_any_path_is_refused(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    for read in (csv, lambda path: READERS["npz"](path), trace, topology, read_partition):
        with pytest.raises((InputError, ValidationError)):  # what an experiment file would be refused for
            read(path)


def png(width: int, height: int) -> bytes:
    """The beginning of an image that declares its size."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("huge.png", png(60_000, 60_000)),
        ("large.png", png(10_000, 10_000)),
        ("gif.png", picture("GIF")),
        ("eps.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(x) run\n%%EOF\n"),
        ("text.png", b"no image"),
        ("empty.jpg", b""),
        ("odd\x1b[31m.png", picture("PNG")),
    ],
)
def test_what_only_looks_like_an_image_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=r"cannot be read as an image|cannot be printed") as caught:
        images(tmp_path / name)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("change", "arguments", "says"),
    [
        ((b"f,north", b"f,north,1"), {}, "row 1 has 5 cells, the header has 4"),
        ((b"age", b"age\x1b[31m"), {}, "odd or long name"),
        ((b"age", b"a" * 201), {}, "odd or long name"),
        ((b"50", b"5" * 200_000), {}, "cannot be read as a table"),
        ((b"50", b"1e300"), {}, "infinite values"),
        ((b"50", b"inf"), {}, "infinite values"),
        ((b"50", b"x\x1b[31m" * 60), {}, "holds 'x"),
        ((b"north,1", b"north,ill\x1b[31m"), {}, "class with the odd or long name"),
        ((b"50", b"50"), {"delimiter": "\n"}, "cannot be read|no column"),
        ((b"50", b"50"), {"delimiter": "\0"}, "cannot be read|no column"),
        ((b"50", b"50"), {"delimiter": '"'}, "cannot be read|no column|cells"),
    ],
)
def test_odd_tables_are_refused(tmp_path, change, arguments, says):
    head, rows = TABLE.split(b"\n", 1)
    (tmp_path / "x.csv").write_bytes((head + b"\n" + rows * 3).replace(*change))
    given = {"path": str(tmp_path / "x.csv"), "target": "ill", "site": "site", "categorical": ["sex"]} | arguments
    with pytest.raises(InputError, match=says) as caught:
        federate(Csv.model_validate(given), Natural(column="site"), None, 0)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1_000


def test_whole_numbers_too_large_for_the_machine_are_classes_too(tmp_path):
    (tmp_path / "x.csv").write_bytes(TABLE.replace(b"north,1", b"north," + b"9" * 30))
    assert csv(tmp_path / "x.csv").classes == ("0", "1", "9" * 30)


def test_a_column_of_ids_is_no_category_and_many_columns_are_quick(tmp_path):
    ids = "\n".join(f"patient-{k},{k % 2}" for k in range(1_001))
    (tmp_path / "x.csv").write_text(f"id,ill\n{ids}\n")
    with pytest.raises(InputError, match="1001 different words"):
        Csv(path=str(tmp_path / "x.csv"), target="ill", categorical=("id",)).load(None, 0)
    names, row = ",".join(f"c{k}" for k in range(50_000)), ",".join(["1"] * 50_000)
    (tmp_path / "wide.csv").write_text(f"{names}\n{row}\n")
    start = time.process_time()
    assert len(read_table(tmp_path / "wide.csv")) == 50_000
    assert time.process_time() - start < 5


if __name__ == "__main__":
    print(taken(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path.cwd()) or "read")
