"""A client whose own work is little, so that what it measures is the server's."""

import itertools
import re
import socket
import time

from .load import HEADERS


class Caller:
    """One client that asks for each of the hosts in turn, on a connection that it keeps."""

    def __init__(self, port, hosts, path="/"):
        headers = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
        heads = [f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n".encode() for host in hosts]
        self.port, self.heads, self.socket = port, itertools.cycle(heads), None

    def ask(self):
        """Microseconds from a request to the last byte of its answer."""
        if not self.socket:
            self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=30)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = next(self.heads)
        began = time.perf_counter_ns()
        self.socket.sendall(head)
        answer = b""
        while (length := _length(answer)) is None or len(answer) < length:
            read = self.socket.recv(65536)
            if not read:
                raise ConnectionError("the connection ended within an answer")
            answer += read
        took = (time.perf_counter_ns() - began) / 1000
        if not answer.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(answer[:200].decode(errors="replace"))
        if b"\r\nConnection: close\r\n" in answer:
            self.close()
        return took

    def close(self):
        self.socket.close()
        self.socket = None


def _length(answer):
    """Of a whole answer, once its head is there."""
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return None
    return end + 4 + int(re.search(rb"(?i)\r\ncontent-length: (\d+)", answer[: end + 2])[1])
