"""What the orders were worth that were not cancelled: made of the archive alone, without server or message classes."""

import sys

from outbox.archive import Archive


def main() -> None:
    archive = Archive(sys.argv[1])
    found = archive.verify()
    print(f"{found.records} records, seq {found.first} to {found.last}, all as written")

    cancelled = {record.key for record in archive.read(types=["order.cancelled"])}
    total = 0
    for record in archive.read(types=["order.placed"]):
        if record.data is not None and record.key not in cancelled:
            print(f"seq {record.seq}: order {record.key} for {record.data['cents']}")
            total += record.data["cents"]
    print(f"together {total}")


if __name__ == "__main__":
    main()
