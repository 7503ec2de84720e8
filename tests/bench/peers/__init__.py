"""Other trackers in our storm."""
