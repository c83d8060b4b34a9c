"""How connections are kept where a test does not say."""

from steadypool import PoolPolicy

POLICY = PoolPolicy(
    strategy="queue",
    size=1,
    max_overflow=0,
    recycle_seconds=1800,
    pre_ping=True,
    timeout_seconds=1.0,
    ping_after_seconds=30.0,
    max_waiting=64,
    leak_seconds=10.0,
    deadline_seconds=3.0,
    tls="prefer",
    tls_ca=None,
)
