"""The settings of the project; those of the outbox are at the end."""

import os

SECRET_KEY = "an example has no secrets"
DEFAULT_AUTO_FIELD = "django_mongodb_backend.fields.ObjectIdAutoField"
DATABASES = {"default": {"ENGINE": "django_mongodb_backend", "HOST": os.environ["MONGO_URI"]}}
INSTALLED_APPS = ["outbox.contrib.django", "shop"]
USE_TZ = True

OUTBOX = "shop.orders.orders"
OUTBOX_CONSUMERS = ["shop.billing.billing"]  # `manage.py outbox consumers` runs them
