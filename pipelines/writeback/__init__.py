"""Triage decisions on their way back to the helpdesks: proposed, planned, carried out, and known of ever after."""
