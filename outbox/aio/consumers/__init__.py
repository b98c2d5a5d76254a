"""Consumers for asyncio: handlers are coroutines, what delivers to them is the synchronous consumer's."""
