"""Reads from a streaming standby: which reads may go there, and when its answers are of use."""
