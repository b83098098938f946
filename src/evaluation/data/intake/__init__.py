"""What agencies send: reading a received file as text with row numbers, and holding it against the dictionary."""
