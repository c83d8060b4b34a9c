"""The fault matrix of a cluster: three nodes of Galera behind HAProxy, one port to write to and one to read from."""
