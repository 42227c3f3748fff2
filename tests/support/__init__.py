"""Real parts for tests: databases, a broker, pictures, whole portals."""
