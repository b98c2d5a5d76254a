"""Makes it an application of Django: `INSTALLED_APPS = ["outbox.contrib.django", …]`."""

from django.apps import AppConfig  # type: ignore[import-untyped]  # Django ships no types


class OutboxConfig(AppConfig):  # type: ignore[misc]  # as above
    """Registers the system checks."""

    name = "outbox.contrib.django"
    label = "outbox"  # the last part of the name is Django's own
    verbose_name = "Outbox"

    def ready(self) -> None:
        """Is called by Django when all applications are loaded."""
        from outbox.contrib.django import checks  # noqa: F401, PLC0415  # importing registers; needs loaded settings
