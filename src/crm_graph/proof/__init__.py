"""The law, tried out: databases that look alike to an asker must answer alike."""
