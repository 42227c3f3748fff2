"""One machine's supervisor: starts the broker, the web server, the workers and the demo's provider, and ends them all again."""
