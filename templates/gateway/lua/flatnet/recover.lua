-- Looks at endpoints that failed, and at new ones, until they accept. Each worker looks after those that it met.
local health = require("flatnet.health")
local probe = require("flatnet.probe")
local state = require("flatnet.state")

local M = {}

local TICK = 0.025
-- Apart at first, then further and further; with a request waiting never further than HURRY.
local FIRST, FURTHER, LAST, HURRY = 0.05, 1.5, 2, 0.1
-- A dead address takes TIMEOUT, and 16 at once leave descriptors to requests on Windows (1,024 in all).
local TIMEOUT, AT_ONCE = 0.9, 16

local entries = {}
local busy = 0
local ticking = false

local function look(premature, entry)
    if premature then
        return
    end
    -- Timers run apart from requests: whatever happens here, the count must be right.
    local fine, accepts = pcall(probe.accepts, entry.endpoint, TIMEOUT)
    busy = busy - 1
    entry.busy, entry.urgent = false, false
    if fine and accepts then
        health.answered(entry.endpoint)
        entries[entry.endpoint.key] = nil
        return
    end
    health.failed(entry.endpoint)
    entry.looked = ngx.now()
    entry.due = entry.looked + entry.delay
    entry.delay = math.min(entry.delay * FURTHER, LAST)
end

local function is_current(endpoint)
    local current = state.table and state.table.endpoints[endpoint.key]
    return current and current.state == "running"
end

-- Among thousands of dead ones none is forgotten: urgent ones first, then the one that has been due the longest.
local function next_due(now)
    local chosen, earliest
    for key, entry in pairs(entries) do
        if not entry.busy and not is_current(entry.endpoint) then
            entries[key] = nil
        elseif not entry.busy then
            -- Later than it can be: the clock was set back.
            if entry.due > now + LAST then
                entry.due, entry.looked = now, 0
            end
            local due = entry.due
            if entry.urgent then
                due = entry.looked + HURRY <= now and 0 or due
            end
            if due <= now and (not earliest or due < earliest) then
                chosen, earliest = entry, due
            end
        end
    end
    return chosen
end

local function tick(premature)
    ticking = false
    if premature then
        return
    end
    while busy < AT_ONCE do
        local entry = next_due(ngx.now())
        if not entry or not ngx.timer.at(0, look, entry) then
            break
        end
        entry.busy = true
        busy = busy + 1
    end
    M.start()
end

function M.start()
    if not ticking and next(entries) then
        ticking = ngx.timer.at(TICK, tick) ~= nil
    end
end

-- Looks at this endpoint from now on until it accepts. `hurry`: a request is waiting for it.
function M.watch(endpoint, hurry)
    local entry = entries[endpoint.key]
    if not entry then
        entry = { endpoint = endpoint, due = ngx.now(), looked = 0, delay = FIRST }
        entries[endpoint.key] = entry
    end
    entry.urgent = entry.urgent or hurry
    M.start()
end

return M
