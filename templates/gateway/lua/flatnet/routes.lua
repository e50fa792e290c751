-- The routes table in memory: finds the route for a host and a path.
local cjson = require("cjson.safe")

local M = {}

local BATCH = 25

local Table = {}
Table.__index = Table

-- "2026-11-23T11:58:01Z" -> seconds since 1970 (days from the civil calendar: os.time knows only local time).
function M.epoch(text)
    local year, month, day, hour, minute, second =
        string.match(text, "^(%d%d%d%d)-(%d%d)-(%d%d)T(%d%d):(%d%d):(%d%d)")
    if not year then
        return nil
    end
    year, month, day = tonumber(year), tonumber(month), tonumber(day)
    if month <= 2 then
        year, month = year - 1, month + 12
    end
    local days = 365 * year + math.floor(year / 4) - math.floor(year / 100) + math.floor(year / 400)
        + math.floor((153 * (month - 3) + 2) / 5) + day - 1 - 719468
    return ((days * 24 + hour) * 60 + minute) * 60 + second
end

-- Adds a path of a host. Returns the route that already has it, or nil.
local function add_path(sets, host, route)
    local set = sets[host]
    if not set then
        set = { longest = 0, paths = {} }
        sets[host] = set
    end
    local winner = set.paths[route.path]
    if winner then
        return winner
    end
    set.paths[route.path] = route
    set.longest = math.max(set.longest, #route.path)
    -- Most hosts have one route for all paths.
    set.only = set.longest == 1 and route or nil
    return nil
end

-- The route with the longest matching prefix. Prefixes match whole segments: /x matches /x and /x/y, not /xy.
local function longest_prefix(set, path)
    if set.only then
        return set.only
    end
    local head = path
    if #head > set.longest then
        head = string.match(string.sub(head, 1, set.longest + 1), "^(.*)/") or ""
    end
    while head ~= "" do
        if set.paths[head] then
            return set.paths[head]
        end
        head = string.match(head, "^(.*)/") or ""
    end
    return set.paths["/"]
end

-- Sets when the endpoint entered its state, by this machine's clock (WSL's may be off by minutes), and when this gateway first
-- saw it: later, if the gateway has just started.
local function date(endpoint, before, now)
    local old = before and before.endpoints[endpoint.key]
    if old and old.state == endpoint.state and old.since == endpoint.since then
        endpoint.changed, endpoint.met = old.changed, old.met
    else
        endpoint.changed, endpoint.met = now, now
    end
    if not before then
        endpoint.changed = math.min(M.epoch(endpoint.since) or now, now)
    end
end

local function add_endpoints(built, route, before, now)
    for _, endpoint in ipairs(route.endpoints) do
        endpoint.key = endpoint.id .. "@" .. endpoint.address .. ":" .. endpoint.port
        -- Keys for flatnet.health.
        endpoint.down, endpoint.seen = "down " .. endpoint.key, "seen " .. endpoint.key
        endpoint.informal = "informal " .. endpoint.key
        endpoint.well, endpoint.sick = "well " .. endpoint.key, "sick " .. endpoint.key
        endpoint.peer = endpoint.address .. ":" .. endpoint.port
        endpoint.health = route.health
        endpoint.scheme = route.scheme
        -- The ngx.ctx that flatnet.fast_path sets, shared by all requests to save allocations.
        endpoint.usual_context = { route = route, endpoint = endpoint, is_fast_path = true }
        date(endpoint, before, now)
        built.endpoints[endpoint.key], built.by_peer[endpoint.peer] = endpoint, endpoint
    end
end

local function place(route)
    if route.scheme == "grpc" or route.scheme == "grpcs" then
        return "@grpc"
    end
    return route.stream and "@stream" or "@http"
end

-- Paths of the gateway's own pages, which a table of another version might assign to a route.
local function is_own_page(path)
    return path == "/" or path == "/_flatnet" or string.sub(path, 1, 10) == "/_flatnet/"
end

local ITSELF = { name = "the gateway itself" }

local function add_route(built, route, is_own)
    -- winner: a route, or the gateway itself. With an overlay, both come with the numbers of their hosts.
    local function conflict(host, winner)
        local own = built.host and built.host.number
        built.conflicts[#built.conflicts + 1] = {
            route = route.name, host = host, path = route.path, winner = winner.name,
            route_host = route.host or own, winner_host = winner.host or own,
        }
    end
    for _, host in ipairs(route.hosts) do
        local suffix = string.match(host, "^%*%.(.*)$")
        if suffix then
            local winner = add_path(built.wildcard, suffix, route)
            if winner then conflict(host, winner) end
        elseif is_own(host) and is_own_page(route.path) then
            conflict(host, ITSELF)
        else
            local winner = add_path(built.exact, host, route)
            if winner then conflict(host, winner) end
        end
    end
    if #route.hosts == 0 and is_own_page(route.path) then
        conflict("", ITSELF)
    elseif #route.hosts == 0 then
        local winner = add_path(built.own, "", route)
        if winner then conflict("", winner) end
    end
end

-- before: the previous table, or nil; is_own: whether a host is one of the gateway's own names.
function M.build(document, before, is_own, now, pause)
    local built = setmetatable({
        generation = document.generation, written = document.written, host = document.host,
        hosts = document.hosts or {}, routes = document.routes, unrouted = document.unrouted,
        by_name = {}, exact = {}, wildcard = {}, own = {}, conflicts = {}, endpoints = {}, by_peer = {},
    }, Table)
    local other_hosts = {}
    for _, host in ipairs(built.hosts) do
        other_hosts[host.number] = host
    end
    for index, route in ipairs(document.routes) do
        if route.health == cjson.null then
            route.health = nil
        end
        if #route.path > 1 then
            route.path = string.gsub(route.path, "/+$", "")
        end
        if route.path == "" then
            route.path = "/"
        end
        route.other_host = other_hosts[route.host]
        route.place = place(route)
        route.is_plain = route.place == "@http" and route.scheme == "http" and not (route.strip and route.path ~= "/")
        built.by_name[route.name] = route
        add_endpoints(built, route, before, now)
        add_route(built, route, is_own)
        if index % BATCH == 0 then
            pause()
        end
    end
    return built
end

-- The maximum length of a name (RFC 1035, 2.3.4), which limits the time of a lookup.
local LONGEST = 253

-- The route for a request, or nil. `own`: the host is one of the gateway's own names.
function Table:find(host, path, own)
    if #host > LONGEST then
        return nil
    end
    local set = self.exact[host]
    local route = set and longest_prefix(set, path)
    local suffix = host
    -- Wildcards do not match the gateway's own names.
    while not route and not own do
        -- Remove one label at a time, so that the longest wildcard matches first.
        suffix = string.match(suffix, "^[^.]+%.(.+)$")
        if not suffix then
            break
        end
        set = self.wildcard[suffix]
        route = set and longest_prefix(set, path)
    end
    if not route and own and self.own[""] then
        route = longest_prefix(self.own[""], path)
    end
    return route
end

return M
