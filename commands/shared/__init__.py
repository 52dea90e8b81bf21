"""What the commands share: the current run, the console, doit's reporter and database, the lock's owner."""
