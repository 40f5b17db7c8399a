"""Health: facts of every type, explainable scores, risk signals."""
