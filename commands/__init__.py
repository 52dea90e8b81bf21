"""What a person types beside the phases, as doit command plug-ins, and how doit keeps and reports."""
