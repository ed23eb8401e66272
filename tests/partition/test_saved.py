from __future__ import annotations

import numpy as np
import pytest

from swarmsim.data.federate import federate
from swarmsim.data.heart_disease import HeartDisease
from swarmsim.data.phantom import Phantom
from swarmsim.data.quadratic import Quadratic
from swarmsim.partition.dirichlet import Dirichlet
from swarmsim.partition.file import read_partition, save_partition
from swarmsim.partition.natural import Natural
from swarmsim.partition.saved import Saved
from swarmsim.rng import stream
from swarmsim.types import InputError


@pytest.fixture
def run(tmp_path):
    federation = federate(HeartDisease(), Natural(column="hospital"), None, 0)
    path = tmp_path / "partition.npz"
    save_partition(path, federation)
    return federation, path


def same(a, b) -> bool:
    parts = [(s.train, s.validation, s.test) for f in (a, b) for s in f.shards]
    half = len(parts) // 2
    return a.names == b.names and all(
        np.array_equal(p.x, q.x) and np.array_equal(p.y, q.y)
        for ours, theirs in zip(parts[:half], parts[half:], strict=True)
        for p, q in zip(ours, theirs, strict=True)
    )


def test_what_is_read_is_what_was_saved(run):
    federation, path = run
    read = read_partition(path)
    assert list(read) == list(federation.indices)
    assert all(np.array_equal(read[key], rows) for key, rows in federation.indices.items())


def test_a_saved_partition_gives_the_same_federation_whatever_the_seed(run):
    federation, path = run
    assert same(federate(HeartDisease(), Saved(path=str(path)), None, 99), federation)
    assert same(federate(HeartDisease(), Dirichlet(), 4, 99, saved=read_partition(path)), federation)


def test_objectives_and_images_survive(tmp_path):
    for source, n in ((Quadratic(targets=[3, 1, 2]), 3), (Phantom(examples=12, size=8), 4)):
        federation = federate(source, None, n, 0)
        save_partition(tmp_path / "p.npz", federation)
        assert same(federate(source, Saved(path=str(tmp_path / "p.npz")), n, 0), federation)


def test_the_file_has_the_same_bytes_every_time(run, tmp_path):
    federation, path = run
    save_partition(tmp_path / "again.npz", federation)
    assert (tmp_path / "again.npz").read_bytes() == path.read_bytes()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["again.npz", "partition.npz"]


def test_assign_gives_all_that_an_institution_holds(run):
    _, path = run
    data = HeartDisease().load(None, 0)
    assignment = Saved(path=str(path)).assign(data, None, stream(0, "partition"))
    natural = Natural(column="hospital").assign(data, None, stream(0, "partition"))
    assert assignment.names == natural.names
    assert all(map(np.array_equal, assignment.indices, natural.indices))


def test_a_partition_of_other_data(run):
    _, path = run
    with pytest.raises(InputError, match="names example 919, but the data has 40: other data"):
        federate(Phantom(examples=10, size=8), Saved(path=str(path)), None, 0)
    with pytest.raises(InputError, match="institutions is 3, but the saved partition has 4"):
        federate(HeartDisease(), Saved(path=str(path)), 3, 0)


def test_a_partition_that_shares_or_starves(run):
    _, path = run
    saved = read_partition(path)
    with pytest.raises(InputError, match="holds examples twice"):
        federate(HeartDisease(), None, None, 0, saved=saved | {"Hungary/test": saved["Hungary/train"]})
    with pytest.raises(InputError, match="gives institution 'Hungary' nothing to train on"):
        federate(HeartDisease(), None, None, 0, saved=saved | {"Hungary/train": np.array([], dtype=np.int64)})


def test_files_that_are_no_partition(tmp_path):
    with pytest.raises(InputError, match=r"no saved partition .*none\.npz"):
        read_partition(tmp_path / "none.npz")
    bad = tmp_path / "bad.npz"
    for write in (
        lambda: bad.write_bytes(b"torn"),
        lambda: bad.write_bytes(b""),
        lambda: np.savez(bad, names=np.array(["a"])),
        lambda: np.savez(bad, names=np.array(["a"]), lengths=np.array([[2, 1, 1]]), rows=np.arange(3)),
        lambda: np.savez(bad, names=np.array(["a"]), lengths=np.array([[1, 1, 1]]), rows=np.array([0.5, 1, 2])),
        lambda: np.savez(bad, names=np.array([{}]), lengths=np.array([[1, 1, 1]]), rows=np.arange(3)),
    ):
        write()
        with pytest.raises(InputError, match="not a partition that swarmsim wrote"):
            read_partition(bad)
