"""What the four clouds share."""
