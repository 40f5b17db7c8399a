"""Alerts: signals become episodes and reach the right person in Slack and e-mail."""
