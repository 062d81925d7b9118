"""What ``bentoml serve`` is given in tests."""

from chain import Frontend

from dynamo_bentoml import bentoml_service

service = bentoml_service(Frontend)
