"""The rule file of Prometheus: the alarms of every site, and those of a site's own services. Pure."""

import json
from typing import Any

from model.alarms.alarm_rules import ABOUT, RECORDED, RULES, WATCHDOG_RULE, AlarmRule, backup_rules
from model.alarms.backup_gaps import longest_gap, longest_untried
from model.alarms.log_rules import log_rules
from model.stage import Stage
from model.units import duration

_OWN_EVERY = 15
"""Seconds between two looks for a service's own alarms: its metrics are read as often."""
GRACE = 3600.0
"""Seconds that a backup may take, and a timer may be late."""
_SINCE = (
    "{{{{ with printf \"ALERTS_FOR_STATE{{alertname='{name}',{asked}}}\" {values} | query }}}}"
    "{{{{ . | first | value | humanizeTimestamp }}}}{{{{ else }}}}"
    '{{{{ with query "vector(time())" }}}}{{{{ . | first | value | humanizeTimestamp }}}}{{{{ end }}}}{{{{ end }}}}'
)
"""When the condition began to hold: Prometheus notes it for itself, once it has looked; templates know no other way.
Of alarms of one name it is asked for by all labels that tell them from each other."""

NAMES = frozenset(
    rule.name
    for rule in (
        *RULES,
        WATCHDOG_RULE,
        *backup_rules(longest=0, untried=0, saved=("service",)),
        *log_rules(""),
    )
)
"""The names of all alarms that skep has."""


def rule_file(stage: Stage) -> str:
    """Return the rule file of a stage, as JSON, which is YAML as well."""
    backup = stage.site.backup
    rules = [*RULES, WATCHDOG_RULE]
    if backup is not None:
        saved = tuple(name for name, service in stage.services.items() if service.backup_scripts)
        longest = 2 * longest_gap(backup.schedule) + GRACE
        untried = longest_untried(backup.verify, backup.schedule)
        rules += backup_rules(longest=longest, untried=untried, saved=saved)
    if stage.site.logs is not None:
        rules += log_rules(stage.repository_short)
    recorded = [{"record": name, "expr": expr} for name, expr in RECORDED.items()]
    groups = [
        {
            "name": f"skep.{duration(every)}",
            "interval": duration(every),
            "rules": [
                *(recorded if every == AlarmRule.every else ()),
                *(_rule(rule) for rule in rules if rule.every == every),
            ],
        }
        for every in sorted({rule.every for rule in rules})
    ]
    groups += [
        {
            "name": f"services.{name}",
            "interval": duration(_OWN_EVERY),
            "rules": [
                _rule(
                    AlarmRule(
                        alert.name,
                        alert.expr,
                        int(alert.for_),
                        f"{name}: {alert.name}.",
                        f"doit status {name}",
                    ),
                    {"service": name},
                )
                for alert in service.alerts
            ],
        }
        for name, service in stage.services.items()
        if service.alerts
    ]
    return json.dumps({"groups": groups}, indent=1, ensure_ascii=False) + "\n"


def _rule(rule: AlarmRule, labels: dict[str, str] | None = None) -> dict[str, Any]:
    """Return a rule as Prometheus reads it. Its templates don't see the labels that it adds itself."""
    values = {label: f"$labels.{label}" for label in ABOUT} | {
        label: json.dumps(value) for label, value in (labels or {}).items()
    }
    return {
        "alert": rule.name,
        "expr": rule.expr,
        "for": duration(rule.wait),
        **({"labels": labels} if labels else {}),
        "annotations": {
            "summary": rule.summary,
            "value": rule.value,
            "since": _SINCE.format(
                name=rule.name,
                asked=",".join(f"{label}=%q" for label in values),
                values=" ".join(values.values()),
            ),
            "look": rule.look,
        },
    }
