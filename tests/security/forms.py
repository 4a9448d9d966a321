"""Whether an answer is a failure in the form of the API that was called."""

from typing import Any, assert_never

from tests.api.serving import Answer
from tests.security.table import Api


def failed(api: Api, answer: Answer, status: int | None = None) -> Any:
    """Fail unless it is that API's own failure document, of that status if one is given."""
    told = answer.headers.get("Content-Type", "")
    assert status in (None, answer.status), f"{answer.status}, not {status}: {answer.raw[:500]!r}"
    assert answer.status >= 400, answer
    assert answer.headers.get("X-Content-Type-Options") == "nosniff"
    if not answer.raw:  # an answer to HEAD has none
        return None
    body = answer.json
    match api:
        case "native" | "product_live":
            assert told.split(";")[0] in ("application/problem+json", "application/json"), told
            assert body["status"] == answer.status
            assert body["title"]
        case "cdq":
            assert list(body) == ["code", "technicalKey", "message"], body
            assert body["code"] == answer.status * 100_000
        case "datameer":
            assert list(body) == ["status", "reason"], body
            assert body["status"] == "failure"
        case "ocapi":
            assert list(body) == ["_v", "fault"], body
            assert list(body["fault"]) == ["arguments", "type", "message"]
        case "token":
            assert list(body) == ["error", "error_description"], body
        case _:
            assert_never(api)
    return body


def of_path(path: str) -> Api:
    """Tell whose form a path's failures have."""
    if path.startswith(("/v1/data_factory", "/v1/job_executions")):
        return "product_live"
    if path.startswith("/v2/") or path == "/v2":
        return "cdq"
    if path.startswith(("/rest", "/api/job-execution")):
        return "datameer"
    if "/oauth2/" in path:
        return "token"
    if "/dw/" in path or path.startswith(("/dwsso", "/on/demandware.servlet")):
        return "ocapi"
    return "native"
