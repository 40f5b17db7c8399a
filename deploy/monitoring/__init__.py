"""What operators watch: alert rules and a dashboard, generated from one list each."""
