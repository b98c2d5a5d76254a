"""What of MongoDB every other room stands on."""
