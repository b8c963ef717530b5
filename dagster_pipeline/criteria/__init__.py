"""Pure: the brief evaluated at given effects; outcomes, gate limits, δ* and severity."""
