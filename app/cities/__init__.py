"""The feature: cities and countries, asked by name. Copy this room to make the next one."""
