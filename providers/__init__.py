"""Where hosts come from: one module per value of `provider =`, imported when it is used and not before."""
