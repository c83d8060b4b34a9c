"""The peers: each module is one small complete application, written as its tool's own documentation says."""
