"""What the shop stores."""

from django.db import models


class Order(models.Model):
    number = models.CharField(max_length=20, unique=True)
    total = models.IntegerField()


class Bill(models.Model):
    order = models.CharField(max_length=20, unique=True)
    total = models.IntegerField()
