-- Dimensions looked up by the value of another column. ``lookups`` is a table of the connection, filled from the
-- configuration or from the store; the session variables name each dimension's key column.
CREATE OR REPLACE TEMP VIEW calls_with_lookups AS
SELECT calls.* REPLACE (
    coalesce(tenant_of.value, calls.tenant) AS tenant,
    coalesce(route_of.value, calls.route) AS route,
    coalesce(deploy_of.value, calls.deploy) AS deploy,
    coalesce(environment_of.value, calls.environment) AS environment,
    coalesce(service_of.value, calls.service) AS service,
    coalesce(region_of.value, calls.region) AS region
)
FROM store.calls AS calls
LEFT JOIN (SELECT key, value FROM lookups WHERE field = 'tenant') AS tenant_of ON tenant_of.key =
    CASE getvariable('lookup_tenant_by')
        WHEN 'user_id' THEN calls.user_id WHEN 'session_id' THEN calls.session_id WHEN 'tenant' THEN calls.tenant
        WHEN 'service' THEN calls.service WHEN 'environment' THEN calls.environment WHEN 'route' THEN calls.route
        WHEN 'deploy' THEN calls.deploy WHEN 'region' THEN calls.region WHEN 'model' THEN calls.model
        WHEN 'provider' THEN calls.provider WHEN 'source' THEN calls.source WHEN 'name' THEN calls.name
    END
LEFT JOIN (SELECT key, value FROM lookups WHERE field = 'route') AS route_of ON route_of.key =
    CASE getvariable('lookup_route_by')
        WHEN 'user_id' THEN calls.user_id WHEN 'session_id' THEN calls.session_id WHEN 'tenant' THEN calls.tenant
        WHEN 'service' THEN calls.service WHEN 'environment' THEN calls.environment WHEN 'route' THEN calls.route
        WHEN 'deploy' THEN calls.deploy WHEN 'region' THEN calls.region WHEN 'model' THEN calls.model
        WHEN 'provider' THEN calls.provider WHEN 'source' THEN calls.source WHEN 'name' THEN calls.name
    END
LEFT JOIN (SELECT key, value FROM lookups WHERE field = 'deploy') AS deploy_of ON deploy_of.key =
    CASE getvariable('lookup_deploy_by')
        WHEN 'user_id' THEN calls.user_id WHEN 'session_id' THEN calls.session_id WHEN 'tenant' THEN calls.tenant
        WHEN 'service' THEN calls.service WHEN 'environment' THEN calls.environment WHEN 'route' THEN calls.route
        WHEN 'deploy' THEN calls.deploy WHEN 'region' THEN calls.region WHEN 'model' THEN calls.model
        WHEN 'provider' THEN calls.provider WHEN 'source' THEN calls.source WHEN 'name' THEN calls.name
    END
LEFT JOIN (SELECT key, value FROM lookups WHERE field = 'environment') AS environment_of ON environment_of.key =
    CASE getvariable('lookup_environment_by')
        WHEN 'user_id' THEN calls.user_id WHEN 'session_id' THEN calls.session_id WHEN 'tenant' THEN calls.tenant
        WHEN 'service' THEN calls.service WHEN 'environment' THEN calls.environment WHEN 'route' THEN calls.route
        WHEN 'deploy' THEN calls.deploy WHEN 'region' THEN calls.region WHEN 'model' THEN calls.model
        WHEN 'provider' THEN calls.provider WHEN 'source' THEN calls.source WHEN 'name' THEN calls.name
    END
LEFT JOIN (SELECT key, value FROM lookups WHERE field = 'service') AS service_of ON service_of.key =
    CASE getvariable('lookup_service_by')
        WHEN 'user_id' THEN calls.user_id WHEN 'session_id' THEN calls.session_id WHEN 'tenant' THEN calls.tenant
        WHEN 'service' THEN calls.service WHEN 'environment' THEN calls.environment WHEN 'route' THEN calls.route
        WHEN 'deploy' THEN calls.deploy WHEN 'region' THEN calls.region WHEN 'model' THEN calls.model
        WHEN 'provider' THEN calls.provider WHEN 'source' THEN calls.source WHEN 'name' THEN calls.name
    END
LEFT JOIN (SELECT key, value FROM lookups WHERE field = 'region') AS region_of ON region_of.key =
    CASE getvariable('lookup_region_by')
        WHEN 'user_id' THEN calls.user_id WHEN 'session_id' THEN calls.session_id WHEN 'tenant' THEN calls.tenant
        WHEN 'service' THEN calls.service WHEN 'environment' THEN calls.environment WHEN 'route' THEN calls.route
        WHEN 'deploy' THEN calls.deploy WHEN 'region' THEN calls.region WHEN 'model' THEN calls.model
        WHEN 'provider' THEN calls.provider WHEN 'source' THEN calls.source WHEN 'name' THEN calls.name
    END;
