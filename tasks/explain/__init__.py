"""The status of resources, its root causes, and the plan of the next run. Changes nothing, ever."""
