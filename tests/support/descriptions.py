"""The API's description, against which tests hold what the API answers."""

import json

from openapi_core import OpenAPI
from openapi_core.contrib.werkzeug import WerkzeugOpenAPIRequest, WerkzeugOpenAPIResponse
from werkzeug.test import EnvironBuilder, TestResponse
from werkzeug.wrappers import Request

from portal.api.description import PATH

DOCUMENT = json.loads(PATH.read_text())
API = OpenAPI.from_dict(DOCUMENT)


def as_described(answer: TestResponse) -> TestResponse:
    """``answer``, whose status, headers and body are as the description says. Raises OpenAPIError."""
    answer.get_data()  # of a file that is sent piece by piece
    answer.close()
    asked = Request(EnvironBuilder(answer.request.path, method=answer.request.method).get_environ())  # its body was read by the portal
    API.validate_response(WerkzeugOpenAPIRequest(asked), WerkzeugOpenAPIResponse(answer))
    return answer
