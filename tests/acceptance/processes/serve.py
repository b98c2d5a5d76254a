"""A gateway on a port of its own, which takes as many clients as a test has."""

from __future__ import annotations

import logging
import sys
from typing import Any

from pymongo import MongoClient

from outbox import Outbox
from outbox.gateway import Limits, application
from outbox.gateway.serving import GatewayServer, listening

LIMITS = Limits(connections=2000, connections_of_token=2000, requests_a_second=100_000)


def main() -> None:
    uri, database, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    logging.basicConfig(level=logging.WARNING)
    with MongoClient[Any](uri) as client, Outbox(client[database]) as orders, listening("127.0.0.1", port) as place:
        app = application(orders, limits=LIMITS)
        GatewayServer(app, LIMITS, only_own_names=True).run(sockets=[place])


if __name__ == "__main__":
    main()
