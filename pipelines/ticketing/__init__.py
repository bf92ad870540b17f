"""The dlt source: tickets, customers, notes, categories and connections, incrementally and without loss."""
