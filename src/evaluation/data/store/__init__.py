"""What agencies have submitted: Delta tables, the log of receipts, and snapshots that runs read."""
