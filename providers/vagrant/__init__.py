"""Virtual machines made by Vagrant."""
