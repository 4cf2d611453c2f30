"""Addresses of datagrams, `udp://HOST:PORT`, and the sockets that belong to them."""

import errno
import ipaddress
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
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
    """A socket that receives what is sent to an address of this machine, or to a multicast group, which is joined.

    Raises:
        ConfigError: if no host is called so.
        EnvironmentProblem: if the port is in use or not allowed, or the address is another machine's.
    """
    family, place = _resolved(address)
    receiver = socket.socket(family, socket.SOCK_DGRAM)
    try:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        receiver.bind(place)
        _join_group(receiver, place)
    except OSError as error:
        receiver.close()
        raise _problem(address, error, _RECEIVING) from error
    return receiver


def connected(address: Address) -> socket.socket:
    """A socket that sends to an address.

    Raises:
        ConfigError: if no host is called so, or the port is 0, which is none.
        EnvironmentProblem: if there is no way to it.
    """
    if address.port == 0:
        raise ConfigError(f"{address}: nothing can be sent to port 0", hint="the port of the receiver, 1 to 65535")
    family, place = _resolved(address)
    sender = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sender.connect(place)
    except OSError as error:
        sender.close()
        raise sending_problem(address, error) from error
    return sender


def sending_problem(address: Address, error: OSError) -> EnvironmentProblem:
    """Why datagrams do not get on their way to an address."""
    return _problem(address, error, _SENDING)


def _resolved(address: Address) -> tuple[int, tuple[Any, ...]]:
    try:
        family, *_, place = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)[0]
    except (OSError, UnicodeError) as error:
        if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
            way = "is there a network? the number of the host works without names"
            raise EnvironmentProblem(f"{address}: {address.host!r} cannot be looked up now", hint=way) from error
        way = f"check the name, or give the number of the host, {_FORM}"
        raise ConfigError(f"{address}: no host is called {address.host!r}", hint=way) from error
    return family, place


def _join_group(receiver: socket.socket, place: tuple[Any, ...]) -> None:
    """Datagrams to a group come only to machines that have joined it."""
    host = ipaddress.ip_address(place[0])
    if not host.is_multicast:
        return
    if host.version == 4:
        receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, host.packed + bytes(4))
    else:
        scope = struct.pack("@I", place[3])
        receiver.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, host.packed + scope)


_LINK = "such an address needs the name of its network: udp://[fe80::1%eth0]:3333"
_RECEIVING = {
    errno.EADDRINUSE: ("the port is in use", "another port, or end the program that listens there"),
    errno.EADDRNOTAVAIL: ("no address of this machine", f"{LOOPBACK} for this machine, 0.0.0.0 for all networks"),
    errno.EACCES: ("not allowed", "a port from 1024 on"),
    errno.EINVAL: ("not complete", _LINK),
    errno.ENODEV: ("no network of this machine has such groups", "0.0.0.0 for all networks"),
}
_SENDING = {
    errno.EACCES: (
        "an address of all machines of a network (broadcast), to which nothing is sent",
        "the address of the receiver; each of several has a `spikecut send` of its own",
    ),
    errno.EPERM: ("a firewall of this machine does not let it out", None),
    errno.ENETUNREACH: ("there is no way to this network", "is this machine connected to it?"),
    errno.EHOSTUNREACH: ("there is no way to this machine", "is it switched on, and on the same network?"),
    errno.EINVAL: ("not complete", _LINK),
}


def _problem(address: Address, error: OSError, ways: Mapping[int, tuple[str, str | None]]) -> EnvironmentProblem:
    reason, way = ways.get(error.errno or 0, ((error.strerror or str(error)).lower(), None))
    return EnvironmentProblem(f"{address}: {reason}", hint=way)
