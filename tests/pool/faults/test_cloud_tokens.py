"""The recipes for the tokens of clouds in docs/deploy.md, with stand-ins for their packages, on a server with TLS."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import make_url, text

from steadypool import PoolPolicy, create_pool_engine
from testkit import ROOT
from testkit.databases import Database
from testkit.fault_servers import FaultServer
from tests.support.accounts import Account
from tests.support.kinds import on_mariadb
from tests.support.pools import steady

RECIPES = re.findall(r"```python\n(.*?)```", (ROOT / "docs/deploy.md").read_text(), re.DOTALL)
CIPHER = text("SHOW STATUS LIKE 'Ssl_cipher'").execution_options(leaves_no_trace=True)


class Authority:
    """Issues tokens that are valid until the next one, and remembers the last."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.token, self.issued = account.password, 0

    @property
    def valid(self) -> bool:
        """What a client thinks of it, whatever the server does."""
        return self.issued > 0

    def issue(self, *about: object) -> str:
        self.token, self.issued = self._account.renew(), self.issued + 1
        return self.token

    def remembered(self, *_scopes: str) -> SimpleNamespace:
        if not self.valid:
            self.issue()
        return SimpleNamespace(token=self.token)


def boto3(authority: Authority) -> dict[str, Any]:
    rds = SimpleNamespace(generate_db_auth_token=authority.issue)
    return {"boto3": {"client": lambda _service, region_name: rds}}


def azure(authority: Authority) -> dict[str, Any]:
    return {"azure.identity": {"DefaultAzureCredential": lambda: SimpleNamespace(get_token=authority.remembered)}}


def google(authority: Authority) -> dict[str, Any]:
    authority.refresh = authority.issue  # type: ignore[attr-defined] # as Google's package calls it
    return {
        "google.auth": {"default": lambda scopes: (authority, "project")},
        "google.auth.transport.requests": {"Request": object},
    }


CLOUDS: list[tuple[str, Callable[[Authority], dict[str, Any]]]] = [
    ("boto3", boto3),
    ("azure.identity", azure),
    ("google.auth", google),
]

pytestmark = on_mariadb


@pytest.fixture
def account(seeded: Database, fault_server: FaultServer) -> Iterator[Account]:
    made = Account(fault_server.server.url, make_url(seeded.url).database or "")
    fault_server.admin(f"ALTER USER '{made.user}'@'%' REQUIRE SSL")
    yield made
    made.drop()


@pytest.mark.parametrize(("package", "stand_in"), CLOUDS, ids=[name for name, _ in CLOUDS])
def test_a_recipe_connects_again_and_again_over_tls(
    account: Account,
    fault_server: FaultServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    package: str,
    stand_in: Callable[[Authority], dict[str, Any]],
) -> None:
    authority = Authority(account)
    install(stand_in(authority), monkeypatch)
    (recipe,) = [each for each in RECIPES if f"import {package}" in each or f"from {package}" in each]
    names: dict[str, Any] = {}
    exec(recipe, names)
    policy = PoolPolicy(tls="verify", tls_ca=fault_server.ca, credentials=names["token"], strategy="request")
    engine = create_pool_engine(account.url.set(password=None), policy, role="reader")

    for _ in range(5):
        with engine.connect() as connection:
            assert connection.execute(CIPHER).one()[1]
    if package == "google.auth":  # which is the one that forgets what was refused
        account.renew()
        engine.connect().close()

    seen = steady(engine).snapshot()
    assert authority.issued == {"boto3": 5, "azure.identity": 1, "google.auth": 2}[package]
    assert (seen["opened"], seen["probes"]) == (5 + (package == "google.auth"), 0)
    assert [message for message in caplog.messages if authority.token in message] == []
    engine.dispose()


def install(modules: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have these imported instead of what they are named after, with the packages that they are in."""
    names = {".".join(name.split(".")[:depth]) for name in modules for depth in range(1, name.count(".") + 2)}
    made = {name: ModuleType(name) for name in sorted(names)}
    for name, module in made.items():
        module.__dict__.update({"__path__": []} | modules.get(name, {}))
        monkeypatch.setitem(sys.modules, name, module)
        parent, _, own = name.rpartition(".")
        if parent:
            setattr(made[parent], own, module)
