"""The SDKs of Segment and RudderStack, unmodified, against the running product."""
