"""Who may see the page: everybody on this machine, or who has the token where it is served beyond.

A page of another site that is open in the same browser could connect to an address of this machine, too. So connections
must come from our own page (`Origin`), and by a name of this machine, which no other site can have (`Host`).
"""

import ipaddress
import secrets
import socket
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs, urlsplit

from spikecut.pipeline.errors import ConfigError

STREAM: Final = "/stream"
_PAGE: Final = Path(__file__).with_name("page.html")


class Address(NamedTuple):
    """Where to listen; port 0 is any that is free."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """From HOST:PORT.

        Raises:
            ConfigError: if it is not that.

        >>> Address.parse("[::1]:0"), Address.parse("localhost:8080").is_loopback
        (Address(host='::1', port=0), True)
        """
        host, colon, port = text.rpartition(":")
        if not colon or not host or not port.isdecimal() or int(port) > 65_535:
            hint = "--listen 127.0.0.1:8080, or 0.0.0.0:8080 for other machines, too"
            raise ConfigError(f"cannot listen at {text!r}; expected HOST:PORT", hint=hint)
        return cls(host.removeprefix("[").removesuffix("]"), int(port))

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def at(self, port: int) -> str:
        """The address for a browser, with a name of this machine where it listens at all of them."""
        host = socket.gethostname() if self.host in ("0.0.0.0", "::", "") else self.host
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True, slots=True)
class Access:
    """Answers requests before they become WebSockets: with the page, or with a refusal."""

    address: Address
    token: str | None = None
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(12))

    def url(self, port: int) -> str:
        """The address of the page, with its token."""
        return f"http://{self.address.at(port)}/" + ("" if self.token is None else f"?token={self.token}")

    def answer(self, connection: Any, request: Any) -> Any:
        """The answer to a request, None to let a WebSocket begin; `process_request` of the server of websockets."""
        url = urlsplit(request.path)
        if not self._has_token(url.query):
            return connection.respond(HTTPStatus.FORBIDDEN, "The address needs its token, which the run has printed.\n")
        host = request.headers.get("Host", "")
        if self.token is None and not _is_this_machine(host):
            return connection.respond(HTTPStatus.FORBIDDEN, "This page is for this machine.\n")
        if url.path == STREAM:
            origin = request.headers.get("Origin")
            if origin is not None and urlsplit(origin).netloc != host:
                return connection.respond(HTTPStatus.FORBIDDEN, "This is not for pages of other sites.\n")
            return None
        if url.path != "/":
            return connection.respond(HTTPStatus.NOT_FOUND, "There is nothing here.\n")
        return self._page(connection)

    def _page(self, connection: Any) -> Any:
        response = connection.respond(HTTPStatus.OK, _PAGE.read_text(encoding="utf-8").replace("{{nonce}}", self.nonce))
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = "text/html; charset=utf-8"
        response.headers["Content-Security-Policy"] = (
            f"default-src 'none'; script-src 'nonce-{self.nonce}'; style-src 'nonce-{self.nonce}'; connect-src 'self'; "
            "img-src data:; frame-ancestors 'none'; base-uri 'none'"
        )
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cache-Control"] = "no-store"
        return response

    def _has_token(self, query: str) -> bool:
        """Compared in a time that does not depend on where they differ."""
        given = "".join(parse_qs(query).get("token", [""]))
        return self.token is None or secrets.compare_digest(given.encode(), self.token.encode())


def _is_this_machine(host: str) -> bool:
    """Whether the name that a browser used for us can be no other machine's."""
    name = urlsplit(f"//{host}").hostname or ""
    return Address(name, 0).is_loopback
