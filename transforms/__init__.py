"""Shaping: API records to Arrow tables. Pure functions of values; the contract with dbt is `schemas`."""
