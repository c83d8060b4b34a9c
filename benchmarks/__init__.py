"""The proof: the application beside what people use instead, measured (`./run bench`) and broken (`./run faults`)."""

# = Measure it
#: bench [--quick]   compare with what people use instead; needs wrk
#:                   (--help: the options)
#: faults [--quick]  break the database under it and four others, or with
#:                   --cluster three nodes and HAProxy (--help: the options)
#: overload          ask it, Flask-SQLAlchemy and FastAPI for more than they
#:                   can; needs MariaDB (--quick; --help: the options)
#: then [--quick]    measure a new connection for each request, as in the
#:                   2010s, beside kept ones; needs siege and MariaDB
