"""The files of a finished run in the formats other tools read: pure, and never greener than the run."""
