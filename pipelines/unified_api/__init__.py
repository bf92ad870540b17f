"""Speaks HTTP to the Unified.to API and knows no table."""
