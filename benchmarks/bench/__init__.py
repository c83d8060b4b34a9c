"""`./run bench`: this application and its peers under the same load, on the same server, in the same run."""
