"""What a pool is, whatever is pooled: knows neither SQLAlchemy nor a driver."""
