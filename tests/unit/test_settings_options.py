"""What a database URL may say behind its ?: what the driver takes and the pool can live with, or a refusal by name."""

import pytest
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from app.extensions import pool_policy
from config import load_settings
from settings.database_urls import parse_database_url
from settings.drivers import DRIVERS, is_installed
from settings.problems import RefusedError
from settings.url_options import INSTEAD, SQLITE_OPTIONS, _options_of
from steadypool import Role, create_pool_engine
from steadypool.drivers import driver_named
from testkit.processes import free_port

SERVERS = {
    "pymysql": "mysql+pymysql://u@h/d",
    "mysqldb": "mysql+mysqldb://u@h/d",
    "mysqlconnector": "mysql+mysqlconnector://u@h/d",
    "psycopg": "postgresql://u@h/d",
}
FOREIGN = [
    "reconnect",
    "schema",
    "pgbouncer",
    "useSSL",
    "serverTimezone",
    "plugin",
    "failover",
    "isolation_level",
    "Charset",
]


def url_of(driver: str, options: str) -> str:
    if driver != "pysqlite":
        module = DRIVERS["postgresql" if driver == "psycopg" else "mysql"][driver][0]
        pytest.importorskip(module, reason="a driver that is not installed has no options to refuse")
    return f"{SERVERS.get(driver, 'sqlite:///x')}?{options}"


@pytest.mark.parametrize(
    ("driver", "options", "said", "remedy"),
    [
        ("pymysql", "reconnect=true", "has reconnect behind the ?, which pymysql does not take", "remove it"),
        ("pymysql", "compress=true", "compress and named_pipe arguments are not supported", "remove it"),
        ("pymysql", "local_infile=maybe", "String is not true/false: 'maybe'", "correct it"),
        ("pymysql", "Collation=x", "has Collation", "write collation"),
        ("pymysql", "charset=latin1", "cannot hold every name", "write charset=utf8mb4"),
        ("pymysql", "charset=utf8mb4&charset=utf8mb4", "has charset more than once", "write it once"),
        ("pymysql", "port=3307", "has port", "before the ?"),
        ("pymysql", "autocommit=true", "has autocommit", "the pool relies on"),
        ("pymysql", "connect_timeout=10", "has connect_timeout", "REQUEST_DEADLINE_SECONDS"),
        ("mysqldb", "reconnect=true", "has reconnect", "remove it"),
        ("mysqldb", "auth_plugins=x", "has auth_plugins", "write auth_plugin,"),
        ("mysqlconnector", "local_infile=1", "Unsupported argument 'local_infile'", "write allow_local_infile,"),
        ("mysqlconnector", "dns_srv=true", "must be a boolean", "correct it"),
        ("mysqlconnector", "pool_size=5", "has pool_size", "the pool relies on"),
        ("mysqlconnector", "charset=UTF8MB4", "Character set 'UTF8MB4' unsupported", "correct it"),
        ("mysqlconnector", "collation=nonsense", "not one of utf8mb4", "correct it"),
        ("mysqlconnector", "collation=utf8mb4_nonsense", "Collation 'utf8mb4_nonsense' unknown", "correct it"),
        ("mysqlconnector", "collation=utf8mb3_general_ci", "not one of utf8mb4", "correct it"),
        ("mysqlconnector", "init_command=SELECT+1", "not one SET", "correct it"),
        ("mysqlconnector", "init_command=SET+autocommit%3D1;SET+time_zone%3D%27UTC%27", "not one SET", "correct it"),
        ("mysqlconnector", "auth_plugin=nonsense", "'nonsense' is not supported", "correct it"),
        ("pymysql", "collation=latin1_swedish_ci", "not one of utf8mb4", "correct it"),
        ("mysqldb", "collation=nonsense", "not one of utf8mb4", "correct it"),
        ("pymysql", "bind_address=nonsense", "not an IP address", "correct it"),
        ("psycopg", "hostaddr=nonsense", "not an IP address", "correct it"),
        ("psycopg", "hostaddr=127.0.0.1,nonsense", "not an IP address", "correct it"),
        ("mysqlconnector", "can_handle_expired_passwords=1", "has can_handle_expired_passwords", "the pool relies on"),
        ("psycopg", "sslpassword=x", "password of a key behind the ?", "key without one"),
        ("psycopg", "sslnegotiation=direct", "DATABASE_TLS would overrule", "DATABASE_TLS=require"),
        ("psycopg", "ssl_min_protocol_version=3", "ssl_min_protocol_version", "correct it"),
        ("psycopg", "application_name=%00x", "NUL", "%00"),
        ("psycopg", "schema=public", 'invalid connection option "schema"', "remove it"),
        ("psycopg", "pgbouncer=true", 'invalid connection option "pgbouncer"', "remove it"),
        ("psycopg", "aplication_name=x", "has aplication_name", "write application_name,"),
        ("psycopg", "target_session_attrs=writable", 'value: "writable"', "correct it"),
        ("psycopg", "keepalives_idle=soon", "not a whole number", "correct it"),
        ("psycopg", "client_encoding=latin1", "cannot hold every name", "write client_encoding=utf8"),
        ("psycopg", "host=a,b&port=1,x", "non-integer port", "correct it"),
        ("psycopg", "dbname=x", "has dbname", "before the ?"),
        ("pysqlite", "mode=banana", "no such access mode: banana", "correct it"),
        ("pysqlite", "imutable=1", "has imutable", "write immutable,"),
        ("pysqlite", "check_same_thread=true", "has check_same_thread", "remove it"),
    ],
)
def test_what_would_fail_later_is_refused_by_name_at_start(driver: str, options: str, said: str, remedy: str) -> None:
    with pytest.raises(RefusedError) as caught:
        parse_database_url(url_of(driver, options))

    assert said in caught.value.reason
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("driver", "options"),
    [
        (
            "pymysql",
            "charset=utf8mb4&init_command=SET+time_zone%3D%27UTC%27&unix_socket=/run/s&read_default_file=~/.my.cnf",
        ),
        ("mysqldb", "charset=utf8mb4&compress=true&read_default_group=client"),
        ("mysqlconnector", "charset=utf8mb4&compress=true&sql_mode=ANSI"),
        (
            "mysqlconnector",
            "init_command=set+time_zone%3D%27UTC%27&collation=utf8mb4_0900_ai_ci&auth_plugin=caching_sha2_password",
        ),
        ("pymysql", "collation=utf8mb4_bin&bind_address=127.0.0.1"),
        ("mysqldb", "collation=UTF8MB4_GENERAL_CI"),
        ("psycopg", "hostaddr=127.0.0.1,::1&host=a,b"),
        ("psycopg", "gssencmode=require&client_encoding=UNICODE"),
        ("psycopg", "sslcrl=/x&sslsni=0&ssl_min_protocol_version=TLSv1.3&sslcert=/x&sslkey=/y"),
        ("psycopg", "host=/run/postgresql&application_name=x&options=-csearch_path%3Dx&keepalives_idle=30"),
        ("psycopg", "host=a:1&host=b:2&target_session_attrs=read-write&passfile=/x"),
        ("pysqlite", "mode=ro&immutable=1"),
    ],
)
def test_what_the_driver_takes_is_kept(driver: str, options: str) -> None:
    assert parse_database_url(url_of(driver, options)).query


@pytest.mark.parametrize("name", ["pool", "binaryTransfer", "loginTimeout", "currentSchema"])
def test_a_name_that_is_not_near_is_not_advised(name: str) -> None:
    with pytest.raises(RefusedError) as caught:
        parse_database_url(url_of("psycopg", f"{name}=x"))

    assert caught.value.remedy == "correct it, or remove it"


def test_a_file_of_sqlite_is_on_no_host() -> None:
    with pytest.raises(RefusedError, match="names a host"):
        parse_database_url("sqlite://folder/x.sqlite3")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://u:p%E4ss@h/d", "not UTF-8"),
        ("mysql://u:p%00@h/d", "NUL"),
        ("postgresql://%E4:p@h/d", "not UTF-8"),
        ("mysql://u:p@a..b/d", "host that cannot be one"),
        (f"mysql://u:p@{'x' * 64}.example/d", "host that cannot be one"),
    ],
)
def test_what_no_driver_can_send_is_refused_too(url: str, said: str) -> None:
    with pytest.raises(RefusedError, match=said):
        parse_database_url(url)


def test_letters_of_any_script_are_fine() -> None:
    assert parse_database_url("mysql://u:p%C3%A4ss@bücher.example/d").password == "päss"


@pytest.mark.parametrize("driver", SERVERS)
def test_what_is_taken_never_fails_but_for_want_of_a_server(driver: str) -> None:
    """Every option that any driver has, with values of each kind: refused at start, or an error of the driver's own."""
    base = parse_database_url(url_of(driver, "")).set(host="127.0.0.1", port=free_port())
    names = {name for each in SERVERS if is_installed(module_of(each)) for name in _options_of(each)}
    taken = []
    names.remove("unix_socket")  # anything is a name of a file
    for name in sorted(names | set(FOREIGN) | set(INSTEAD) | set(SQLITE_OPTIONS)):
        for value in ("true", "0", "7", "no such thing"):
            try:
                url = parse_database_url(base.set(query={name: value}))
            except RefusedError:
                continue
            taken.append(name)
            with pytest.raises(DBAPIError):
                connect(url)

    assert set(taken) & {"init_command", "options", "time_zone"}


NAMES = ("program_name", "fallback_application_name", "conn_attrs")


def module_of(driver: str) -> str:
    return DRIVERS["postgresql" if driver == "psycopg" else "mysql"][driver][0]


def connect(url: URL) -> None:
    policy = pool_policy(load_settings({}), "reader")
    create_pool_engine(url, policy, role="migration").connect()


@pytest.mark.parametrize("role", ["reader", "writer", "migration"])
@pytest.mark.parametrize("driver", SERVERS)
def test_whatever_the_pool_sets_itself_is_refused_in_the_url(driver: str, role: Role) -> None:
    policy = pool_policy(load_settings({}), "reader")
    url = parse_database_url(url_of(driver, ""))
    set_here = driver_named(url.get_backend_name(), url.get_driver_name())(policy, role).arguments({})

    # The first is added to, the second may only be the same, and whoever says a name is called so.
    for name in set_here.keys() - {"options", "charset", *NAMES}:
        with pytest.raises(RefusedError):
            parse_database_url(url_of(driver, f"{name}=7"))
