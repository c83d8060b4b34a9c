"""Where SteadyPool differs from QueuePool on purpose: SQLAlchemy's tests that it does not pass, and why.

All others pass; `tests/pool/test_sqlalchemy_suite.py` holds this list to what it says.
"""

DIFFERENCES = {
    "test_pool.py::QueuePoolTest::test_connrec_invalidated_within_checkout_no_race": (
        "puts another method in the place of _ConnectionRecord.checkout, which this pool does without"
    ),
    "test_pool.py::QueuePoolTest::test_dispose_closes_pooled": (
        "what was lent before dispose() is closed when it comes back, not kept for the next"
    ),
    "test_pool.py::QueuePoolTest::test_invalidate_close_interrupted": (
        "checkedin() counts connections; an invalidated one is none, and leaves no record behind"
    ),
    "test_pool.py::QueuePoolTest::test_invalidate_interrupted_before_close": (
        "checkedin() counts connections; this one is closed when it comes back, not at the next checkout"
    ),
    "test_pool.py::QueuePoolTest::test_recycle": (
        "turns the wall clock on by hand; here lives end by the monotonic one, which nobody can set"
    ),
    "test_pool.py::QueuePoolTest::test_reset_interrupted_detaches_fairy": (
        "checkedin() counts connections; the one whose reset was interrupted is closed, and none is left"
    ),
    "test_pool.py::PoolTest::test_rec_info": (
        "a connection in the place of another has a record of its own, and its record_info begins empty"
    ),
    "test_pool.py::QueuePoolTest::test_recycle_on_soft_invalidate": (
        "a connection in the place of another has a record of its own, and its record_info begins empty"
    ),
    "test_reconnect.py::PrePingMockTest::test_ping_not_on_reconnect": (
        "a connection in the place of another has a record of its own, and its record_info begins empty"
    ),
    "test_pool.py::QueuePoolTest::test_error_on_pooled_reconnect_cleanup_invalidate": (
        "checkedin() counts connections; one that could not be made again is none, and leaves no record behind"
    ),
    "test_pool.py::QueuePoolTest::test_error_on_pooled_reconnect_cleanup_recycle": (
        "checkedin() counts connections; one that could not be made again is none, and leaves no record behind"
    ),
    "test_pool.py::QueuePoolTest::test_error_on_pooled_reconnect_cleanup_wcheckout_event[base_exception]": (
        "checkedin() counts connections; one that could not be made again is none, and leaves no record behind"
    ),
    "test_pool.py::QueuePoolTest::test_error_on_pooled_reconnect_cleanup_wcheckout_event[plain]": (
        "checkedin() counts connections; one that could not be made again is none, and leaves no record behind"
    ),
}
