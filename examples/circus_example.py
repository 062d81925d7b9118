"""Run a service under the circus provider from a program, without the command line.

python examples/circus_example.py
"""

from __future__ import annotations

from pathlib import Path

from dynamo_circus import CircusDeploymentTarget
from dynamo_core import DynamoConfig, ServiceConfig
from echo_backend import BackendClass

HERE = Path(__file__).resolve().parent


def main() -> None:
    provider = CircusDeploymentTarget()
    backend_service = provider.create_service(
        BackendClass,
        ServiceConfig({"workers": 1}),
        DynamoConfig(enabled=True, namespace="inference"),
        args=["-m", "backend_worker"],  # of this interpreter; without it, the built-in worker
        env_vars={"PYTHONPATH": str(HERE)},
    )
    backend = provider.create_dependency(backend_service)
    with provider.run_services() as arbiter:  # a handle to the running arbiter
        print(arbiter.client(BackendClass).echo("hello"))
        print(backend.get().echo("hello again"))


if __name__ == "__main__":
    main()
