"""Who is told of what, as Alertmanager reads it. Pure."""

import json
from typing import Any

from model.alarms.alarm_rules import ABOUT, DEAD, WATCHDOG

_NOBODY, _WATCHDOG = "nobody", "watchdog"


def alertmanager_config(receivers: list[dict[str, Any]], watchdog: str) -> str:
    """Return Alertmanager's configuration, as JSON, which is YAML as well. It holds secrets.

    Each receiver gets every alarm but the watchdog's. Alarms are sent one by one, five seconds after they are given;
    one that lasts is sent again every four hours. What else a silent host causes on it is not sent.

    Args:
        receivers: The receivers without templates of skep's.
        watchdog: The address that is called every minute; empty for none.

    """
    named = [
        {"name": f"receiver{i}", **{key: value for key, value in receiver.items() if key != "name"}}
        for i, receiver in enumerate(receivers)
    ]
    outside: dict[str, Any] = {"name": _WATCHDOG}
    if watchdog:
        outside["webhook_configs"] = [{"url": watchdog, "send_resolved": False}]
    content = {
        "route": {
            "receiver": _NOBODY,
            "group_by": ["alertname", *ABOUT],
            "group_wait": "5s",
            "group_interval": "1m",
            "repeat_interval": "4h",
            "routes": [
                {
                    "matchers": [f'alertname="{WATCHDOG}"'],
                    "receiver": _WATCHDOG,
                    "group_wait": "0s",
                    "group_interval": "30s",
                    "repeat_interval": "50s",
                },
                *({"receiver": receiver["name"], "continue": True} for receiver in named),
            ],
        },
        "inhibit_rules": [
            {
                "source_matchers": [f'alertname="{DEAD}"'],
                "target_matchers": [f'alertname!="{DEAD}"'],
                "equal": ["host"],
            }
        ],
        "receivers": [{"name": _NOBODY}, outside, *named],
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
