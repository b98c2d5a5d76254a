"""mongoengine's documents as message classes; imported only where mongoengine is."""
