"""The proof: the application beside what people use instead, measured (`./run bench`) and broken (`./run faults`)."""
