"""A real nginx with the configuration of deploy/, in a temporary folder."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Mapping
from types import MappingProxyType

from testkit import processes
from testkit.certificates import make_certificates
from testkit.processes import Program, free_port
from testkit.waiting import eventually
from tests.deploy.conftest import DEPLOY
from tests.serve.serving import Answer

NAME = "cities.example.org"

AROUND = """
daemon off;
{user}
worker_processes 1;
pid {folder}/pid;
error_log {folder}/log info;
events {{ worker_connections 64; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/app.conf;
}}
"""


class Nginx:
    """nginx with our file, whose addresses, certificate and log are those of a temporary folder."""

    def __init__(self, program: str, application: int, changes: Mapping[str, str] = MappingProxyType({})) -> None:
        self.folder, self.plain, self.secure = processes.new_folder("nginx"), free_port(), free_port()
        _, certificate, key = make_certificates(self.folder)
        here = {
            "127.0.0.1:8000;": f"127.0.0.1:{application};",
            "listen 80;": f"listen 127.0.0.1:{self.plain};",
            "listen 443 ssl http2;": f"listen 127.0.0.1:{self.secure} ssl http2;",
            "    listen [::]:80;\n": "",
            "    listen [::]:443 ssl http2;\n": "",
            "/etc/ssl/cities/fullchain.pem": str(certificate),
            "/etc/ssl/cities/privkey.pem": str(key),
            "/var/log/nginx/cities.log": str(self.folder / "access"),
            **changes,
        }
        config = (DEPLOY / "nginx/app.conf").read_text()
        for written, meant in here.items():
            assert written in config
            config = config.replace(written, meant)
        (self.folder / "app.conf").write_text(config)
        # The temporary folder is for its owner alone, also where that is root and nginx would be somebody else.
        user = "user root;" if processes.unprivileged("nobody") else ""
        (self.folder / "nginx.conf").write_text(AROUND.format(folder=self.folder, user=user))
        self._program = Program([program, "-c", str(self.folder / "nginx.conf")], self.folder, None)

    def __enter__(self) -> Nginx:
        self._program.start()
        assert eventually(self._answers), self._program.log()
        return self

    def __exit__(self, *_: object) -> None:
        self._program.remove()

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except OSError:
            return False
        return True

    def connect(self, from_address: str = "127.0.0.1") -> ssl.SSLSocket:
        """Return a connection with TLS from this one of the machine's own addresses."""
        plain = socket.create_connection(("127.0.0.1", self.secure), 10, (from_address, 0))
        context = ssl.create_default_context(cafile=self.folder / "ca.pem")
        # The certificate is one for the address.
        return context.wrap_socket(plain, server_hostname="127.0.0.1")

    def get(self, path: str, from_address: str = "127.0.0.1", **headers: str) -> Answer:
        connection = http.client.HTTPConnection(NAME)
        connection.sock = self.connect(from_address)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET", path, headers={"Connection": "close", **named})
        try:
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def log(self) -> str:
        return (self.folder / "access").read_text()
