"""What anyone can verify: light, pure, without database, clock or network."""
