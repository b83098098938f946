"""What the project knows before any study: kinds of intervention, and the tables agencies send."""
