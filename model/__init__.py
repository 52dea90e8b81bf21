"""The model: the site's types, strict loading, keys, records, secrets, errors.

Pure: nothing here opens a connection, imports an SDK or knows of doit.
"""
