-- Holds requests while a container restarts, before their body is read or sent.
local health = require("flatnet.health")
local probe = require("flatnet.probe")
local recover = require("flatnet.recover")

local M = {}

local STEP = 0.025
-- The time limit of the probe for a request that arrives after the hold time: the error page must appear within a second.
local LOOK = 0.8

-- The time until which requests for this route are held, counted from the failure, not from each request. Or nil and a usable
-- endpoint: health.pick's data is up to a millisecond old, and another worker may have seen the endpoint recover.
local function deadline(route)
    local latest = 0
    for _, endpoint in ipairs(route.endpoints) do
        local since = health.unusable_since(endpoint)
        if not since then
            return nil, endpoint
        end
        latest = math.max(latest, since)
    end
    return latest + route.hold
end

local function look(route)
    for _, endpoint in ipairs(route.endpoints) do
        if endpoint.state == "running" and not endpoint.health then
            if probe.accepts(endpoint, LOOK) then
                health.answered(endpoint)
                return endpoint
            end
            -- There is time for one probe only.
            health.failed(endpoint)
            recover.watch(endpoint)
            return nil
        end
    end
    return nil
end

-- find: returns the current route; tried: a connection for this request has just failed.
-- Returns an endpoint and its route; or nil and the route, if it still exists.
function M.wait(find, tried)
    local began = ngx.now()
    local route = find()
    while route do
        local ends
        local endpoint = health.pick(route)
        if not endpoint then
            ends, endpoint = deadline(route)
        end
        if endpoint then
            return endpoint, route
        end
        for _, waited_for in ipairs(route.endpoints) do
            if waited_for.state == "running" then
                recover.watch(waited_for, true)
            end
        end
        local now = ngx.now()
        if now >= ends or now - began >= route.hold then
            return not tried and look(route) or nil, route
        end
        ngx.sleep(STEP)
        route = find()
    end
    return nil, nil
end

return M
