"""The one place that loads: how rows are merged, the one-writer lock, the dlt pipeline, what runs left behind."""
