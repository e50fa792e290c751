-- Which endpoints answer, as all workers know it.
--
--   down      a connection failed: looked at by flatnet.recover until one succeeds
--   seen      one has succeeded at some time
--   informal  has sent a 1xx before an answer: flatnet.relay asks it (flatnet.informational)
--   sick, well   what the checks by label say (flatnet.checks); such an endpoint is used only while it is well
--
-- It is known for as long as the endpoint is in the list, however long nothing happens (flatnet.checks).
local M = {}

local dict = ngx.shared.flatnet_health

local function look(endpoint)
    endpoint.is_informal = dict:get(endpoint.informal) ~= nil
    return endpoint.state == "running" and not dict:get(endpoint.down)
        and (not endpoint.health or dict:get(endpoint.well) ~= nil)
end

-- What all workers know is asked once a millisecond: under load that is once for many requests.
function M.usable(endpoint)
    local now = ngx.now()
    if endpoint.looked ~= now then
        endpoint.looked, endpoint.is_usable = now, look(endpoint)
    end
    return endpoint.is_usable
end

-- An endpoint to use now, each in turn, or nil. `except` is not taken.
function M.pick(route, except)
    local endpoints = route.endpoints
    local count = #endpoints
    local last = route.last_picked or 0
    for step = 0, count - 1 do
        -- On from the one that was picked last, so that the neighbour of a dead one does not get its share too.
        local index = (last + step) % count + 1
        local endpoint = endpoints[index]
        if endpoint ~= except and M.usable(endpoint) then
            route.last_picked = index
            return endpoint
        end
    end
    return nil
end

-- The first failure counts: `add` leaves what is there.
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

-- What a check by label found.
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

-- No check holds any more: the container was stopped, and is not used again before it is checked.
function M.forget(endpoint)
    endpoint.looked = nil
    dict:delete(endpoint.well)
    dict:delete(endpoint.sick)
end

-- It is gone for good.
function M.drop(endpoint)
    M.forget(endpoint)
    dict:delete(endpoint.down)
    dict:delete(endpoint.seen)
    dict:delete(endpoint.informal)
end

-- In a word: up, down, unhealthy, unchecked, or that it does not run.
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

-- Since when it cannot be used, or nil where it can by now: requests are held for a while from then on. An endpoint that never
-- answered counts from its start, so that a dead one does not hold requests after each restart of the gateway.
function M.unusable_since(endpoint)
    if endpoint.state ~= "running" then
        return endpoint.changed
    end
    local down = dict:get(endpoint.down)
    local unwell = endpoint.health and not dict:get(endpoint.well)
    if not down and not unwell then
        return nil
    end
    -- One that is not checked yet will be, within moments of meeting it.
    local sick = unwell and (dict:get(endpoint.sick) or endpoint.met) or 0
    return math.max(endpoint.changed, down and dict:get(endpoint.seen) and down or 0, sick)
end

return M
