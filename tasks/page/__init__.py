"""What the page of a site shows: its data, composed from readings. Pure; `commands/page` reads and draws."""
