"""A network read from a file."""

from __future__ import annotations

from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Literal, NoReturn

from pydantic import Field

from swarmsim.lazy import networkx
from swarmsim.topology.base import RULES, Topology
from swarmsim.topology.formats.edgelist import read_edgelist
from swarmsim.topology.formats.graphml import read_graphml
from swarmsim.topology.formats.yaml_network import read_yaml
from swarmsim.topology.graphs import union
from swarmsim.topology.guess import nearest
from swarmsim.types import InputError
from swarmsim.untrusted import lookup

__all__ = ["File"]

READERS = {
    ".yaml": read_yaml, ".yml": read_yaml, ".graphml": read_graphml, ".edgelist": read_edgelist, ".txt": read_edgelist,
}  # fmt: skip
LARGEST = 1_000_000


class File(Topology):
    """A network from a file: .yaml (see topologies/README.md), .graphml, or a list of edges (.edgelist, .txt).

    Node i is the i-th of the file, with its `name`; if the names are those of the institutions, nodes follow the
    institutions (`series`). Edges may carry latency (seconds) and bandwidth (bytes/second); in a .yaml file also a
    weight, and instead of edges there may be steps, lists of edges that the rounds use in turn. rho depends on the
    network. One node and no edge is a legal network. Files of more than 1 MB are refused.

    Reference: Brandes et al., GraphML progress report, Graph Drawing 2001, for .graphml.
    """

    path: str = Field(min_length=1, description="the file; relative paths start where swarmsim is run")
    weights: Literal["metropolis", "max_degree", "laplacian", "uniform", "sample", "given"] = Field(
        "metropolis", description=f"{RULES}; given: the weights in the file"
    )

    def graph(self, n: int | None, seed: int) -> networkx.Graph | networkx.DiGraph:
        """The network as it is in the file, all steps together; n, if given, must be its number of nodes."""
        return union(self._graphs(n))

    def period(self, n: int | None) -> int:
        """The number of steps; 1 without steps."""
        return len(self._graphs(n))

    def graph_at(self, n: int | None, seed: int, t: int) -> networkx.Graph | networkx.DiGraph:
        """Step t mod period."""
        graphs = self._graphs(n)
        return graphs[t % len(graphs)]

    def _graphs(self, n: int | None) -> list[networkx.Graph | networkx.DiGraph]:
        place = Path(self.path)
        if place.suffix.lower() not in READERS:
            self._fail(f"the name must end in {', '.join(READERS)}")
        graphs = _read(place.suffix.lower(), self._source(place), self.path)
        if n is not None and n != len(graphs[0]):
            self._fail(f"{len(graphs[0])} nodes in the file, but {n} institutions; the numbers must be equal")
        weighted = any("weight" in data for graph in graphs for _a, _b, data in graph.edges(data=True))
        if weighted and self.weights != "given":
            self._fail(
                f"edges have weights, which do not count with weights: {self.weights}; write weights: given, or take "
                "them out of the file"
            )
        return graphs

    def _source(self, place: Path) -> str:
        found = lookup(place)
        if found is None or found.is_dir():
            folder = lookup(place.parent)
            beside = islice(folder.glob("*"), 1_000) if folder else ()
            self._fail(f"no such file{nearest(place.name, (other.name for other in beside))}")
        try:
            with found.open("rb") as stream:
                content = stream.read(LARGEST + 1)
            if len(content) > LARGEST:
                self._fail(f"more than {LARGEST} bytes; a topology file of this size is refused")
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            self._fail(f"not UTF-8 text at byte {error.start}; save it as UTF-8")
        except OSError as error:
            self._fail(f"cannot be read: {error.strerror}")

    def _fail(self, message: str) -> NoReturn:
        raise InputError(f"topology file {self.path[:200]!r}: {message}")


@lru_cache(maxsize=4)
def _read(suffix: str, source: str, where: str) -> list[networkx.Graph | networkx.DiGraph]:
    """The graphs in the text of a file; read once, since every round asks for its own."""
    return READERS[suffix](source, where)
