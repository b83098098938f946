"""The agencies' page: sign in, see what is due, send a file, get a receipt; plain HTML from the server."""
