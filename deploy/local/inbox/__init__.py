"""The local inbox: a strict Slack stand-in, a real mail server, and one page that shows what a CSM would see."""
