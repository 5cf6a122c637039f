"""Archives, folders and crash reports that hold several files."""
