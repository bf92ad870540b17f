"""The dlt source: tickets, customers, notes, categories, employees and connections, incrementally and without loss."""
