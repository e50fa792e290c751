-- The fast path: a host with one route that needs no rewriting, and an endpoint that is up. It runs in nginx's rewrite phase,
-- which cannot wait and needs no coroutine. It runs for every request, so it must be cheap.
local client_host = require("flatnet.client_host")
local health = require("flatnet.health")
local own_names = require("flatnet.own_names")
local state = require("flatnet.state")
local utf8 = require("flatnet.utf8")

local M = {}

-- Whether the log line needs no escaping: other requests take the slow path (flatnet.log).
local function is_utf8(var)
    return utf8.is_valid(var.request_uri) and utf8.is_valid(var.http_user_agent) and utf8.is_valid(var.http_referer)
end

local function find(current, host, set)
    if set and set.only then
        return set.only
    elseif current and not own_names.is_own(host) and utf8.is_valid(host) then
        return current:find(host, ngx.var.uri, false)
    end
    return nil
end

-- The route's name, or "" for a request that flatnet.access must handle.
function M.route()
    local current, host = state.table, ngx.var.host
    local route = find(current, host, current and current.exact[host])
    if not route or not route.is_plain or not client_host.is_host(ngx.var.http_host, host) or not is_utf8(ngx.var) then
        return ""
    end
    local endpoint = health.pick(route)
    if not endpoint or endpoint.is_informal then
        return ""
    end
    ngx.ctx = endpoint.usual_context
    return route.name
end

return M
