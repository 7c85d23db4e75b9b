"""Walk through a finished recording, step by step."""
