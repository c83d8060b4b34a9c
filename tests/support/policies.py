"""How connections are kept where a test does not say."""

from steadypool import PoolPolicy

POLICY = PoolPolicy(size=1)
