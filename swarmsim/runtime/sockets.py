"""Trees between hosts, straight from process to process: no driver, no pickle, buffers as they lie in memory.

Every pair of hosts shares one authenticated connection. A message is the size of a header, a JSON header (structure,
dtypes, shapes) and then the bytes of each tensor. One thread a connection reads whatever arrives, so that sending never
waits for the other side's program, and two hosts that send to each other at once cannot block each other.
"""

from __future__ import annotations

import json
import os
import queue
import socket
import threading
from contextlib import suppress
from multiprocessing.connection import Client, Connection, Listener
from typing import Any, BinaryIO

from swarmsim.lazy import torch
from swarmsim.trees import flatten, settled, unflatten
from swarmsim.types import SwarmsimError

__all__ = ["PeerLost", "Sockets"]

SMALL = 1 << 16  # bytes up to which a message is copied together and sent at once, so that its reader wakes up once
PIECE = 1 << 22  # bytes of a long message that are read in one go, so that whoever looks sees it coming in


class PeerLost(SwarmsimError):
    """The host at the other end, `lost`, is gone."""

    def __init__(self, message: str, lost: int) -> None:
        super().__init__(message, lost)  # all that a copy in another process is made of
        self.lost = lost

    def __str__(self) -> str:
        return self.args[0]


class Sockets:
    """The connections of one host to all others; `address` is where the others reach it.

    What arrives goes to `device`, which a job may change. Other threads may look at `waits`, the host that the program
    waits for now, and at `moved`, the bytes that arrived.
    """

    def __init__(self, me: int, interface: str, key: bytes) -> None:
        self.me, self.device, self._key = me, "cpu", key
        self.waits: int | None = None
        self.moved = 0
        self._listener = Listener((interface, 0), backlog=64, authkey=key)
        self.address = self._listener.address
        self._peers: dict[int, socket.socket] = {}
        self._inbox: dict[int, queue.SimpleQueue] = {}

    def connect(self, addresses: list[tuple[str, int]]) -> None:
        """Meet every other host: this one calls those before it and is called by those behind it."""
        for host in range(self.me):
            self.waits = host
            connection = Client(addresses[host], authkey=self._key)
            connection.send_bytes(str(self.me).encode())
            self._meet(host, connection)
        for host in range(self.me + 1, len(addresses)):
            self.waits = host  # or for another one behind it
            connection = self._listener.accept()
            self._meet(int(connection.recv_bytes(16)), connection)
        self.waits = None
        self._listener.close()

    def _meet(self, host: int, connection: Connection) -> None:
        peer = socket.socket(fileno=os.dup(connection.fileno()))  # tensors are read where they will lie
        connection.close()
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # small messages must not wait for more
        self._peers[host], self._inbox[host] = peer, queue.SimpleQueue()
        threading.Thread(target=self._read, args=(host,), daemon=True).start()

    def send(self, host: int, tree: Any) -> None:
        """Hand a tree over to another host; returns when its bytes are on their way."""
        structure, tensors = flatten(tree)
        tensors = [settled(tensor.detach().cpu()) for tensor in tensors]
        kinds = [(str(tensor.dtype).removeprefix("torch."), tensor.shape) for tensor in tensors]
        header = json.dumps([structure, kinds]).encode()
        pieces = [len(header).to_bytes(8), header, *(_bytes(tensor) for tensor in tensors if tensor.numel())]
        self.waits = host
        try:
            for piece in [b"".join(pieces)] if sum(map(len, pieces)) <= SMALL else pieces:
                self._peers[host].sendall(piece)
        except OSError as error:
            raise PeerLost(f"host {self.me}: host {host} is gone while being sent to ({error})", host) from error
        self.waits = None

    def receive(self, host: int) -> Any:
        """The next tree from another host, in fresh memory of this process."""
        self.waits = host
        structure, tensors = self._inbox[host].get()
        self.waits = None
        if structure is None:
            raise PeerLost(f"host {self.me}: host {host} is gone while being waited for", host)
        return unflatten(structure, [tensor.to(self.device) for tensor in tensors])

    def close(self) -> None:
        """Hang up on everybody: peers that wait for this host get a PeerLost."""
        for peer in self._peers.values():
            with suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)  # wakes the reading threads at both ends; closing alone does not
            peer.close()

    def _read(self, host: int) -> None:
        inbox = self._inbox[host]
        try:
            with self._peers[host].makefile("rb", SMALL) as stream:
                while True:
                    inbox.put(self._message(stream))
        except (EOFError, OSError):
            inbox.put((None, None))

    def _message(self, stream: BinaryIO) -> tuple[Any, list[torch.Tensor]]:
        """The next (structure, tensors); EOFError where the stream ends, be it within a message."""
        header = bytearray(int.from_bytes(self._filled(stream, bytearray(8))))
        structure, kinds = json.loads(self._filled(stream, header))
        tensors = [_unfilled(shape, getattr(torch, dtype)) for dtype, shape in kinds]
        for tensor in tensors:
            if tensor.numel():
                self._filled(stream, _bytes(tensor))
        return structure, tensors

    def _filled(self, stream: BinaryIO, memory: Any) -> Any:
        """The memory, filled with what comes next."""
        whole = memoryview(memory)
        for begin in range(0, len(whole), PIECE):
            piece = whole[begin : begin + PIECE]
            if stream.readinto(piece) < len(piece):
                raise EOFError
            self.moved += len(piece)
        return memory


def _unfilled(shape: list[int], dtype: torch.dtype) -> torch.Tensor:
    """Fresh memory for a tensor in the layout of a message; to settle it afterwards would copy it."""
    images = len(shape) == 4
    return torch.empty(shape, dtype=dtype, memory_format=torch.channels_last if images else torch.contiguous_format)


def _bytes(tensor: torch.Tensor) -> memoryview:
    """The memory of a settled tensor."""
    flat = tensor.permute(0, 2, 3, 1) if tensor.dim() == 4 else tensor
    return memoryview(flat.reshape(-1).view(torch.uint8).numpy())
