"""The configuration of services: the classes, and the sources they are filled from."""

from __future__ import annotations

from dynamo_core.config.dynamo import DynamoConfig
from dynamo_core.config.http import HttpConfig
from dynamo_core.config.names import check_name
from dynamo_core.config.resources import ResourceConfig
from dynamo_core.config.service import ServiceConfig
from dynamo_core.config.settings import Settings
from dynamo_core.config.supervision import FailurePolicy, SupervisionConfig
from dynamo_core.config.traffic import TrafficConfig

__all__ = [
    "DynamoConfig",
    "FailurePolicy",
    "HttpConfig",
    "ResourceConfig",
    "ServiceConfig",
    "Settings",
    "SupervisionConfig",
    "TrafficConfig",
    "check_name",
]
