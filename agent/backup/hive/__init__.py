"""A hive's part: the services' data, into its own repository and back."""
