-- Probes failed and new endpoints until they accept. Each worker probes those that it has used.
local health = require("flatnet.health")
local probe = require("flatnet.probe")
local state = require("flatnet.state")

local M = {}

local TICK = 0.025
-- The interval between probes: FIRST, growing by FURTHER up to LAST; at most HURRY while a request is waiting.
local FIRST, FURTHER, LAST, HURRY = 0.05, 1.5, 2, 0.1
-- A probe of a dead address takes TIMEOUT. AT_ONCE leaves file descriptors for requests on Windows, which has 1,024.
local TIMEOUT, AT_ONCE = 0.9, 16

local entries = {}
local busy = 0
local ticking = false

local function look(premature, entry)
    if premature then
        return
    end
    -- pcall, because the count must be right even after an error.
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

-- The next entry to probe: urgent ones first, then the longest overdue, so that none starves among thousands.
local function next_due(now)
    local chosen, earliest
    for key, entry in pairs(entries) do
        if not entry.busy and not is_current(entry.endpoint) then
            entries[key] = nil
        elseif not entry.busy then
            -- Later than possible: the clock was set back.
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

-- Probes this endpoint until it accepts. `hurry`: a request is waiting for it.
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
