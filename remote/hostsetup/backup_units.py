"""What systemd is told of backups' jobs, on hives and on the repository host."""

UNIT = """\
# Made by skep.
[Unit]
Description=skep: {what}
After=network-online.target docker.service

[Service]
Type=oneshot
ExecStart=/usr/bin/python3 -I {agent} backup {verb}
{more}Nice=10
IOSchedulingClass=idle
"""
"""Of a job of the agent's: `what` it is, the `verb`, and `more` lines."""
TIMER = """\
# Made by skep.
[Unit]
Description=skep: {what}

[Timer]
OnCalendar={when}
Persistent=true
{more}
[Install]
WantedBy=timers.target
"""
"""Of a timer: `what` it begins, `when`, as systemd's OnCalendar, and `more` lines."""
