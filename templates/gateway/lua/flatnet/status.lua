-- The data for the portal, /_flatnet/status and /_flatnet/metrics.
local health = require("flatnet.health")
local json = require("flatnet.json")
local state = require("flatnet.state")

local M = {}

local function time(seconds)
    return seconds and os.date("!%Y-%m-%dT%H:%M:%SZ", seconds)
end

-- The state of a route: that of its best endpoint.
local RANK = { up = 1, unchecked = 2, unhealthy = 3, down = 4, restarting = 5, paused = 6, stopped = 7 }

local function word(route)
    local best
    for _, endpoint in ipairs(route.endpoints) do
        local own = health.word(endpoint)
        if not best or RANK[own] < RANK[best] then
            best = own
        end
    end
    return best or "no_endpoint"
end

local function route_of(route)
    local endpoints = json.list()
    for index, endpoint in ipairs(route.endpoints) do
        endpoints[index] = {
            container = endpoint.container, id = endpoint.id, address = endpoint.address, port = endpoint.port,
            state = endpoint.state, since = endpoint.since, health = health.word(endpoint),
        }
    end
    return {
        name = route.name, host = route.host, hosts = json.list(route.hosts), path = route.path, strip = route.strip,
        scheme = route.scheme, stream = route.stream, hold = route.hold, health = word(route), endpoints = endpoints,
    }
end

local function list(items, make)
    local made = json.list()
    for index, item in ipairs(items or {}) do
        made[index] = make and make(item) or item
    end
    return made
end

-- Absent values (no problem, no table yet) are omitted.
function M.model()
    local current = state.table or {}
    local problem = state.problem
    return {
        name = state.settings.name,
        version = state.settings.version,
        generation = current.generation,
        written = current.written,
        source = state.source,
        loaded = time(state.loaded),
        problem = problem and { message = problem.message, since = time(problem.since) } or nil,
        host_number = current.host and current.host.number,
        other_hosts = current.hosts and #current.hosts > 0 and list(current.hosts) or nil,
        routes = list(current.routes, route_of),
        unrouted = list(current.unrouted),
        conflicts = list(current.conflicts),
    }
end

return M
