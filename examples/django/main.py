"""Plays the shop's day: a deployment, three orders of which one is refused, and the billing that a process would do."""

import os
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

import django
from django.core.management import call_command


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
    django.setup()
    call_command("migrate", verbosity=0, run_syncdb=True)
    call_command("outbox", "create")
    shop, billing, models = (import_module(f"shop.{name}") for name in ("orders", "billing", "models"))
    for number, total in (("1", 120), ("2", 4000), ("3", 15)):
        try:
            shop.place(number, total)
            print(f"order {number}: placed")
        except ValueError as error:
            print(f"order {number}: {error}")
    with ThreadPoolExecutor(1) as executor:
        working = executor.submit(billing.billing)  # what `manage.py outbox consumers` does
        shop.orders.outbox.consumer("billing").wait_caught_up(30)
        shop.orders.close()
        working.result()
    print("billed:", [(bill.order, bill.total) for bill in models.Bill.objects.order_by("order")])


if __name__ == "__main__":
    main()
