-- The usual request: a host that has one route, which wants nothing changed, and an endpoint that is up. Decided in nginx's
-- rewrite phase, where nothing can wait, so it needs no coroutine. Runs for every request: the less, the better.
local health = require("flatnet.health")
local names = require("flatnet.names")
local state = require("flatnet.state")
local told = require("flatnet.told")
local utf8 = require("flatnet.utf8")

local M = {}

-- Whether the line of the log can be written as it is: what is not UTF-8 is for the longer way (flatnet.log).
local function is_utf8(var)
    return utf8.is_valid(var.request_uri) and utf8.is_valid(var.http_user_agent) and utf8.is_valid(var.http_referer)
end

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
    if not route or not route.is_plain or not told.is_host(ngx.var.http_host, host) or not is_utf8(ngx.var) then
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
