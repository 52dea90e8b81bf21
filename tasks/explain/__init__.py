"""How resources stand and what a run would do. Changes nothing, ever."""
