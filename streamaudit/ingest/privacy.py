"""The last guard of ``--map``: whatever a field is called, texts in it do not become a column.

Asked of the staged file, before anything of it reaches the store. A field whose values are texts refuses the file; a
few texts among names are left out.
"""

from streamaudit.ingest.mapping import Mapping
from streamaudit.store.store import Store

_SHARE = 0.01
"""Of a field's values so many may be texts for the others to be used."""

# A keyed column was filled from the user's path where its rank is 0; the others from nothing else once it is given.
_TEXTS = """
SELECT
    [count(*) FILTER (tenant_rank = 0), count(*) FILTER (tenant_rank = 0 AND is_prose(tenant))],
    [count(*) FILTER (route_rank = 0), count(*) FILTER (route_rank = 0 AND is_prose(path_only(route)))],
    [count(*) FILTER (deploy_rank = 0), count(*) FILTER (deploy_rank = 0 AND is_prose(deploy))],
    [count(user_id), count(*) FILTER (is_prose(user_id))],
    [count(session_id), count(*) FILTER (is_prose(session_id))],
    [count(environment), count(*) FILTER (is_prose(environment))],
    [count(service), count(*) FILTER (is_prose(service))],
    [count(region), count(*) FILTER (is_prose(region))],
    [count(transport), count(*) FILTER (is_prose(transport))],
    [count(model), count(*) FILTER (is_prose(model))]
FROM scratch.staged
"""
_LEAVE_OUT = {
    "tenant": "UPDATE scratch.staged SET tenant = NULL WHERE tenant_rank = 0 AND is_prose(tenant)",
    "route": "UPDATE scratch.staged SET route = NULL WHERE route_rank = 0 AND is_prose(path_only(route))",
    "deploy": "UPDATE scratch.staged SET deploy = NULL WHERE deploy_rank = 0 AND is_prose(deploy)",
    "user_id": "UPDATE scratch.staged SET user_id = NULL WHERE is_prose(user_id)",
    "session_id": "UPDATE scratch.staged SET session_id = NULL WHERE is_prose(session_id)",
    "environment": "UPDATE scratch.staged SET environment = NULL WHERE is_prose(environment)",
    "service": "UPDATE scratch.staged SET service = NULL WHERE is_prose(service)",
    "region": "UPDATE scratch.staged SET region = NULL WHERE is_prose(region)",
    "transport": "UPDATE scratch.staged SET transport = NULL WHERE is_prose(transport)",
    "model": "UPDATE scratch.staged SET model = NULL WHERE is_prose(model)",
}


def refused_texts(store: Store, mapping: Mapping) -> tuple[str, str] | None:
    """Why the mapping may not be used with the staged file, and what to do; None when it may. The few texts that are
    among its values then are gone from the staged file."""
    if not _LEAVE_OUT.keys() & mapping.paths.keys():
        return None
    for column, (filled, texts) in zip(_LEAVE_OUT, store.one(_TEXTS), strict=True):
        if column not in mapping.paths or not texts:
            continue
        if texts > _SHARE * filled:
            return (
                f"--map {column}={' or '.join(mapping.paths[column])}: {texts:,} of {filled:,} values are texts of "
                "more than 200 characters or a dozen words, which are never stored",
                f"map a field that holds a name or an id: streamaudit fields FILE --for {column} lists them",
            )
        store.run(_LEAVE_OUT[column])
    return None
