"""Addresses of datagrams, `udp://HOST:PORT`, and the sockets that belong to them."""

import errno
import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from spikecut.pipeline.errors import ConfigError, EnvironmentProblem

LOOPBACK = "127.0.0.1"
BUFFER_BYTES = 8 << 20  # asked for; the kernel grants as much as net.core.rmem_max
_FORM = "such as udp://127.0.0.1:3333"


@dataclass(frozen=True, slots=True)
class Address:
    """A host, by its number or name, and a port.

    >>> Address.of("udp://:3333"), Address.of("udp://[::1]:7").host
    (Address(host='127.0.0.1', port=3333), '::1')
    """

    host: str
    port: int

    @classmethod
    def of(cls, word: str) -> "Address":
        """The address in a word; without a host it is this machine.

        Raises:
            ConfigError: if it is none.
        """
        try:
            parts = urlsplit(word)
            port, host = parts.port, parts.hostname or LOOPBACK
        except ValueError as error:
            raise ConfigError(f"{word}: {error}", hint=_FORM) from error
        if parts.scheme != "udp" or port is None or parts.username or parts.path.strip("/") or parts.query:
            raise ConfigError(f"{word} is no address of datagrams", hint=_FORM)
        return cls(host, port)

    def __str__(self) -> str:
        return f"udp://[{self.host}]:{self.port}" if ":" in self.host else f"udp://{self.host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def bound(address: Address) -> socket.socket:
    """A socket that receives what is sent to an address of this machine.

    Raises:
        ConfigError: if no host is called so.
        EnvironmentProblem: if the port is in use or not allowed, or the address is another machine's.
    """
    family, place = _resolved(address)
    receiver = socket.socket(family, socket.SOCK_DGRAM)
    try:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        receiver.bind(place)
    except OSError as error:
        receiver.close()
        raise _problem(address, error) from error
    return receiver


def connected(address: Address) -> socket.socket:
    """A socket that sends to an address.

    Raises:
        ConfigError: if no host is called so.
        EnvironmentProblem: if there is no way to it.
    """
    family, place = _resolved(address)
    sender = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sender.connect(place)
    except OSError as error:
        sender.close()
        raise _problem(address, error) from error
    return sender


def _resolved(address: Address) -> tuple[int, tuple[object, ...]]:
    try:
        family, *_, place = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)[0]
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"{address}: no host is called {address.host!r}", hint=_FORM) from error
    return family, place


def _problem(address: Address, error: OSError) -> EnvironmentProblem:
    ways = {
        errno.EADDRINUSE: ("the port is in use", "another port, or end the program that listens there"),
        errno.EADDRNOTAVAIL: ("no address of this machine", f"{LOOPBACK} for this machine, 0.0.0.0 for all networks"),
        errno.EACCES: ("not allowed", "a port from 1024 on"),
    }
    reason, way = ways.get(error.errno or 0, ((error.strerror or str(error)).lower(), None))
    return EnvironmentProblem(f"{address}: {reason}", hint=way)
