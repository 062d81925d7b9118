"""The configuration of services: the classes, and the sources they are filled from."""

from __future__ import annotations

from dynamo_core.config.dynamo import DynamoConfig
from dynamo_core.config.graph_settings import GraphSettings
from dynamo_core.config.http import HttpConfig
from dynamo_core.config.loading import load_graph_settings
from dynamo_core.config.names import check_name
from dynamo_core.config.resources import ResourceConfig
from dynamo_core.config.service import ServiceConfig
from dynamo_core.config.settings import Settings
from dynamo_core.config.supervision import FailurePolicy, SupervisionConfig
from dynamo_core.config.traffic import TrafficConfig

__all__ = [
    "DynamoConfig",
    "FailurePolicy",
    "GraphSettings",
    "HttpConfig",
    "ResourceConfig",
    "ServiceConfig",
    "Settings",
    "SupervisionConfig",
    "TrafficConfig",
    "check_name",
    "load_graph_settings",
]
