"""pydantic's models as message classes; imported only where pydantic is."""
