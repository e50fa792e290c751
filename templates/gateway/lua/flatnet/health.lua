-- The health of endpoints, shared by all workers.
--
--   down      a connection failed: flatnet.recover probes it until one succeeds
--   seen      a connection has succeeded at some time
--   informal  has sent a 1xx before an answer: requests go through flatnet.relay (flatnet.informational)
--   sick, well   the result of health checks by label (flatnet.checks); such an endpoint is used only while it is well
--
-- Entries are kept while the endpoint is in the routes table (flatnet.checks).
local M = {}

local dict = ngx.shared.flatnet_health

local function look(endpoint)
    endpoint.is_informal = dict:get(endpoint.informal) ~= nil
    return endpoint.state == "running" and not dict:get(endpoint.down)
        and (not endpoint.health or dict:get(endpoint.well) ~= nil)
end

-- Reads the shared entries once a millisecond: under load, once for many requests.
function M.usable(endpoint)
    local now = ngx.now()
    if endpoint.looked ~= now then
        endpoint.looked, endpoint.is_usable = now, look(endpoint)
    end
    return endpoint.is_usable
end

-- The next usable endpoint in turn except for `except`, or nil.
function M.pick(route, except)
    local endpoints = route.endpoints
    local count = #endpoints
    local last = route.last_picked or 0
    for step = 0, count - 1 do
        -- Start after the last picked one, so that the neighbour of a dead endpoint does not get a double share.
        local index = (last + step) % count + 1
        local endpoint = endpoints[index]
        if endpoint ~= except and M.usable(endpoint) then
            route.last_picked = index
            return endpoint
        end
    end
    return nil
end

-- The time of the first failure is kept: `add` does not overwrite.
function M.failed(endpoint)
    endpoint.looked = nil
    dict:add(endpoint.down, ngx.now())
end

function M.answered(endpoint)
    endpoint.looked = nil
    dict:delete(endpoint.down)
    dict:set(endpoint.seen, true)
end

function M.informs(endpoint)
    endpoint.looked = nil
    dict:set(endpoint.informal, true)
end

-- The result of a health check by label.
function M.checked(endpoint, well)
    endpoint.looked = nil
    if well then
        dict:set(endpoint.well, true)
        dict:delete(endpoint.sick)
    else
        dict:delete(endpoint.well)
        dict:add(endpoint.sick, ngx.now())
    end
end

-- Discards check results: the container was stopped, and must be checked again before it is used.
function M.forget(endpoint)
    endpoint.looked = nil
    dict:delete(endpoint.well)
    dict:delete(endpoint.sick)
end

-- Discards all entries of a removed endpoint.
function M.drop(endpoint)
    M.forget(endpoint)
    dict:delete(endpoint.down)
    dict:delete(endpoint.seen)
    dict:delete(endpoint.informal)
end

-- The state as a word: up, down, unhealthy, unchecked, or the container's state if it is not running.
function M.word(endpoint)
    if endpoint.state ~= "running" then
        return endpoint.state
    elseif dict:get(endpoint.down) then
        return "down"
    elseif not endpoint.health then
        return dict:get(endpoint.seen) and "up" or "unchecked"
    elseif dict:get(endpoint.well) then
        return "up"
    end
    return dict:get(endpoint.sick) and "unhealthy" or "unchecked"
end

-- The time since when it is unusable, from which on requests are held; nil if it is usable. An endpoint that has never answered
-- counts from its start, so that a dead one does not hold requests after each restart of the gateway.
function M.unusable_since(endpoint)
    if endpoint.state ~= "running" then
        return endpoint.changed
    end
    local down = dict:get(endpoint.down)
    local unwell = endpoint.health and not dict:get(endpoint.well)
    if not down and not unwell then
        return nil
    end
    -- An unchecked endpoint is checked soon after it was added.
    local sick = unwell and (dict:get(endpoint.sick) or endpoint.met) or 0
    return math.max(endpoint.changed, down and dict:get(endpoint.seen) and down or 0, sick)
end

return M
