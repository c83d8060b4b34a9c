"""What the person on call looks at; knows the engines, not the feature's data."""
