"""Files become events: mappings are pure, one sender delivers them, a checkpoint remembers how far it came."""
