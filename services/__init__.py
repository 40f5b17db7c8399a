"""The four services of Kizuna. They never import one another; they meet on Kafka and over HTTP."""
