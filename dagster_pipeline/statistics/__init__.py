"""Pure functions from sufficient statistics to estimates, intervals and identification regions."""
