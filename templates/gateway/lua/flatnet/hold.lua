-- Requests wait here, before anything of them is read or sent, while a container restarts.
local health = require("flatnet.health")
local probe = require("flatnet.probe")
local recover = require("flatnet.recover")

local M = {}

local STEP = 0.025
-- A request that comes after the time to hold is over has a look for itself; the page must be there within a second.
local LOOK = 0.8

-- Until when requests for this route are held: the time runs from the failure, not from each request. Or an endpoint that can
-- be used after all: what health.pick goes by is up to a millisecond old, and another worker may have seen it come back since.
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
            -- One look is all that there is time for.
            health.failed(endpoint)
            recover.watch(endpoint)
            return nil
        end
    end
    return nil
end

-- find: gives the route as it is now; tried: this request has just had a connection fail.
-- Returns an endpoint and its route; or nil and the route, if that is still there.
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
