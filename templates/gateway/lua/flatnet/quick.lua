-- The usual request: a host that has one route, which wants nothing changed, and an endpoint that is up. Decided in nginx's
-- rewrite phase, where nothing can wait, so it needs no coroutine. Runs for every request: the less, the better.
local health = require("flatnet.health")
local names = require("flatnet.names")
local state = require("flatnet.state")
local told = require("flatnet.told")
local utf8 = require("flatnet.utf8")

local M = {}

local function find(current, host, set)
    if set and set.only then
        return set.only
    elseif current and not names.is_own(host) and utf8.is_valid(host) then
        return current:find(host, ngx.var.uri, false)
    end
    return nil
end

-- The route's name, or "" for a request that flatnet.access must look at.
function M.route()
    local current, host = state.table, ngx.var.host
    local route = find(current, host, current and current.exact[host])
    if not route or not route.is_plain or not told.is_host(ngx.var.http_host, host) then
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
