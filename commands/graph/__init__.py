"""`doit graph`: a stage's resources as a drawing."""
