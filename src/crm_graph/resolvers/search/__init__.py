"""Search: what somebody typed becomes index queries, one for each tier of likeness and each set of fields that the
asker may read; records are found, ranked and looked up by them.
"""
