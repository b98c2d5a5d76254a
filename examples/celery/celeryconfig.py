"""The settings of Celery, the same for the shop and its workers.

Folders stand for a broker, so that the example needs none; in production they are `amqp://…` or `redis://…`.
"""

import os
from pathlib import Path

_queue = Path(os.environ["QUEUE"])
for _part in ("tasks", "control", "results"):
    _queue.joinpath(_part).mkdir(exist_ok=True)

broker_url = "filesystem://"
broker_transport_options = {
    "data_folder_in": str(_queue / "tasks"),
    "data_folder_out": str(_queue / "tasks"),
    "control_folder": str(_queue / "control"),
    "polling_interval": 0.1,
}
result_backend = f"file://{_queue}/results"

task_acks_late = True  # a task that is not finished comes again,
task_reject_on_worker_lost = True  # also when its process was killed
