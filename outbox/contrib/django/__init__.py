"""Fits the outbox into Django with django-mongodb-backend: its transactions, commands of manage.py, system checks."""

from outbox.contrib.django.outbox import DjangoOutbox

__all__ = ["DjangoOutbox"]
