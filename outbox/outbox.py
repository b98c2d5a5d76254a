"""The outbox: put messages in a transaction, observe them, read them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, cast, overload

import pymongo.errors
from bson import ObjectId
from mongoengine import EmbeddedDocument
from pymongo.client_session import ClientSession
from pymongo.database import Database
from reactivex import Observable

from outbox import creation
from outbox.collections import Collections, apart
