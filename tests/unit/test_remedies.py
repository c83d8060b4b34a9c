"""What is said of an error on the way to a database: nobody answered, or what the server's no calls for."""

from __future__ import annotations

import socket

import pymysql
import pytest
from sqlalchemy.exc import OperationalError

from app.commands.remedies import answered, remedy, sentence
from steadypool import DatabaseDownError, DeadlineExceededError


class PostgresError(Exception):
    """Named like those of a driver's module."""


class Error(PostgresError):
    sqlstate: str | None = None


def wrapped(driver_s: Exception) -> OperationalError:
    return OperationalError(None, None, driver_s)


def mysql(code: int, text: str, cause: Exception | None = None) -> OperationalError:
    error = pymysql.err.OperationalError(code, text)
    error.__cause__ = cause
    return wrapped(error)


def libpq(text: str) -> OperationalError:
    return wrapped(Error(f'connection failed: connection to server at "127.0.0.1", port 5432 failed: {text}'))


@pytest.mark.parametrize(
    ("error", "what_now"),
    [
        (mysql(2003, "Can't connect to MySQL server on 'h' (111)", ConnectionRefusedError()), "start the server"),
        (mysql(2003, "Can't connect to MySQL server on 'h'", socket.gaierror(-2, "Name or service")), "no name server"),
        (mysql(2003, "Can't connect to MySQL server on 'h' (timed out)", TimeoutError()), "a firewall may swallow"),
        (mysql(2005, "Unknown server host 'h' (-2)"), "no name server"),
        (mysql(2013, "Lost connection to MySQL server during query"), "start the server"),
        (libpq("Connection refused\n\tIs the server running?"), "start the server"),
        (libpq("timeout expired"), "a firewall may swallow"),
        (wrapped(Error("[Errno -2] Name or service not known")), "no name server"),
        (mysql(-1, "no connection could be made within 3.0 s"), "a firewall may swallow"),  # mysql-connector's
        (wrapped(Error("no connection could be made within 3.0 s")), "a firewall may swallow"),
    ],
)
def test_only_where_nobody_answered_the_server_is_to_be_started(error: OperationalError, what_now: str) -> None:
    assert not answered(error)
    assert what_now in remedy(error)
    assert sentence(error).startswith("the database cannot be reached: ")


@pytest.mark.parametrize(
    ("error", "what_now"),
    [
        (mysql(1045, "Access denied for user 'u'@'h'"), "correct user and password in {name}"),
        (mysql(1044, "Access denied for user 'u'@'%' to database 'd'"), "GRANT the user access to this database"),
        (mysql(1049, "Unknown database 'd'"), "create the database"),
        (mysql(1040, "Too many connections"), "the server is full: see budget"),
        (mysql(1226, "User 'u' has exceeded the 'max_user_connections' resource"), "this user's own: ALTER USER"),
        (mysql(1129, "Host 'h' is blocked because of many connection errors"), "FLUSH HOSTS"),
        (mysql(1130, "Host 'h' is not allowed to connect"), "CREATE USER"),
        (mysql(1251, "Client does not support authentication protocol"), "IDENTIFIED BY"),
        (mysql(2059, "Authentication plugin 'x' not configured"), "IDENTIFIED BY"),
        (mysql(2026, "SSL connection error"), "see DATABASE_TLS"),
        (mysql(2003, "Can't connect ([SSL: CERTIFICATE_VERIFY_FAILED])"), "see DATABASE_TLS"),
        (mysql(1021, "Disk full (/tmp); waiting for someone to free some space"), "make room"),
        (mysql(1836, "Running in read-only mode"), "primary"),
        (libpq("FATAL:  sorry, too many clients already"), "the server is full: see budget"),
        (libpq('FATAL:  no pg_hba.conf entry for host "h", user "u", database "d", no encryption'), "see DATABASE_TLS"),
        (libpq('FATAL:  no pg_hba.conf entry for host "h", user "u", database "d", SSL encryption'), "pg_hba.conf"),
        (libpq("FATAL:  the database system is starting up"), "wait until"),
        (libpq("FATAL:  das Datenbanksystem will anders"), ""),
        (libpq('FATAL:  database "d" is not currently accepting connections'), "ALLOW_CONNECTIONS"),
        (libpq('FATAL:  too many connections for role "u"'), "ALTER ROLE"),
        (libpq('FATAL:  too many connections for database "d"'), "ALTER DATABASE"),
        (libpq("FATAL:  the database system is not accepting connections"), "wait until"),
        (libpq("received invalid response to SSL negotiation: J"), "no PostgreSQL: correct host and port"),
        (libpq("expected authentication request from server, but received J"), "no PostgreSQL"),
        (mysql(1045, "Access denied for user 'u'@'h'"), "(or it needs a client certificate, or comes from another"),
        (mysql(3955, "Access denied: account is blocked for 1 day(s) … consecutive failed logins"), "wrong password"),
        (mysql(9999, "Something new"), ""),
    ],
)
def test_a_server_that_answered_is_not_to_be_started(error: OperationalError, what_now: str) -> None:
    assert answered(error)
    assert what_now in remedy(error)
    assert "start the server" not in remedy(error)
    assert sentence(error).startswith("the database refuses: ")


def test_what_a_driver_lacks_is_neither() -> None:
    error = DatabaseDownError("no connection can be made")
    error.__cause__ = RuntimeError("'pynacl' package is required for ed25519_password auth method")

    assert remedy(error).startswith("install what it asks for")


def test_a_deadline_names_its_setting() -> None:
    assert "REQUEST_DEADLINE_SECONDS" in sentence(DeadlineExceededError("took too long"))


def test_a_sentence_has_no_password() -> None:
    assert "g3heim" not in sentence(mysql(1045, "mysql://u:g3heim@db said no"))
