-- The usual request: a host that has one route, which wants nothing changed, and an endpoint that is up. Decided where nginx asks
-- for the address: one call of Lua less than deciding before. Runs for nearly every request: the less, the better.
local balancer = require("ngx.balancer")
local health = require("flatnet.health")
local names = require("flatnet.names")
local once_more = require("flatnet.balancer")
local state = require("flatnet.state")

local M = {}

-- The route that this request's host has, if it is a usual one.
local function find()
    local current, host = state.table, ngx.var.host
    local set = current and current.exact[host]
    local route = set and set.only
    if not route and current and not names.is_own(host) then
        route = current:find(host, ngx.var.uri, false)
    end
    return route and route.is_plain and route or nil
end

local function is_up(route)
    for _, endpoint in ipairs(route.endpoints) do
        if health.usable(endpoint) then
            return true
        end
    end
    return false
end

-- For requests of which more follows than their head, before anything of that is read: whether flatnet.access must look at it.
function M.is_left()
    local route = ngx.var.flatnet_connection == "" and find()
    return not route or not is_up(route)
end

-- As the balancer; what is left to flatnet.access ends with 500, which locations.conf sends there.
function M.run()
    if balancer.get_last_failure() then
        -- A kept connection was closed.
        return once_more.run()
    end
    local route = find()
    local endpoint = route and health.pick(route)
    if not endpoint then
        return ngx.exit(ngx.ERROR)
    end
    -- All at once: a table that grows costs more.
    ngx.ctx = { route = route, endpoint = endpoint, is_quick = true, tried = true }
    ngx.var.flatnet_route = route.name
    local set, why = balancer.set_current_peer(endpoint.address, endpoint.port)
    if not set then
        ngx.log(ngx.ERR, "flatnet: ", endpoint.peer, " cannot be used: ", why)
    end
end

return M
