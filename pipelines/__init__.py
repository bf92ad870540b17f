"""Unified Ticketing: support data from every helpdesk into your own warehouse."""
