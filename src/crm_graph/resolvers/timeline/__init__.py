"""The 360 timeline of a customer: entries of several types, merged by time."""
