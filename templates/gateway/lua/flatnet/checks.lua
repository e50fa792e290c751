-- Runs in one worker for all: probes new endpoints, and runs the health checks of labels.
local health = require("flatnet.health")
local probe = require("flatnet.probe")
local recover = require("flatnet.recover")
local state = require("flatnet.state")

local M = {}

local TICK = 0.25
local TIMEOUT, AT_ONCE = 2, 16

-- By endpoint key: {endpoint, due, passes, failures, busy}.
local entries = {}
local busy = 0
local ticking = false
local before

-- `healthy` passes in a row make an endpoint healthy, `unhealthy` failures make it unhealthy; the first result decides at once.
local function count(entry, well)
    local wanted = entry.endpoint.health
    if well then
        entry.passes, entry.failures = entry.passes + 1, 0
    else
        entry.passes, entry.failures = 0, entry.failures + 1
    end
    if entry.passes >= wanted.healthy or (well and entry.first) then
        health.checked(entry.endpoint, true)
    elseif entry.failures >= wanted.unhealthy or (not well and entry.first) then
        health.checked(entry.endpoint, false)
    end
    entry.first = false
end

local function check(premature, entry)
    if premature then
        return
    end
    local fine, well = pcall(probe.is_well, entry.endpoint, entry.endpoint.health.path, TIMEOUT)
    busy = busy - 1
    entry.busy = false
    -- It may have been removed from the table in the meantime.
    if entries[entry.endpoint.key] == entry then
        count(entry, fine and well)
        -- A new container is checked again soon: it is not used before it is healthy.
        local soon = health.word(entry.endpoint) ~= "up" and entry.passes == 0 and not entry.was_well
        entry.was_well = entry.was_well or health.word(entry.endpoint) == "up"
        entry.due = ngx.now() + (soon and math.min(1, entry.endpoint.health.interval) or entry.endpoint.health.interval)
    end
end

-- Checks that are due, the longest overdue first, so that hanging ones do not starve others. A due time beyond the interval means
-- that the clock was set back.
local function all_due(now)
    local due = {}
    for _, entry in pairs(entries) do
        if not entry.busy and (entry.due <= now or entry.due > now + entry.endpoint.health.interval) then
            due[#due + 1] = entry
        end
    end
    table.sort(due, function(one, other) return one.due < other.due end)
    return due
end

local function tick(premature)
    ticking = false
    if premature then
        return
    end
    for _, entry in ipairs(all_due(ngx.now())) do
        if busy < AT_ONCE and ngx.timer.at(0, check, entry) then
            entry.busy = true
            busy = busy + 1
        end
    end
    M.start()
end

function M.start()
    if not ticking and next(entries) then
        ticking = ngx.timer.at(TICK, tick) ~= nil
    end
end

local function follow_endpoint(key, endpoint)
    local old = before and before.endpoints[key]
    local started = not old or old.state ~= "running" or old.changed ~= endpoint.changed
    if started then
        recover.watch(endpoint)
    end
    if not endpoint.health then
        return nil
    end
    local entry = entries[key]
    if started or not entry then
        -- Results are kept when nginx is reloaded.
        if before then
            health.forget(endpoint)
        end
        entry = { due = 0, passes = 0, failures = 0, first = true }
    end
    -- The label may have changed.
    entry.endpoint = endpoint
    return entry
end

-- Seconds after which no request uses the previous table any more and could still record a failure.
local LATE = 5

local function drop_all(_, endpoints)
    for _, endpoint in ipairs(endpoints) do
        if not state.table.endpoints[endpoint.key] then
            health.drop(endpoint)
        end
    end
end

local function drop_gone(current)
    local gone = {}
    for key, endpoint in pairs(before and before.endpoints or {}) do
        if not current.endpoints[key] then
            gone[#gone + 1] = endpoint
        end
    end
    if #gone > 0 then
        ngx.timer.at(LATE, drop_all, gone)
    end
end

-- Called when a new table is in force.
function M.follow(current)
    drop_gone(current)
    local kept = {}
    for key, endpoint in pairs(current.endpoints) do
        if endpoint.state == "running" then
            kept[key] = follow_endpoint(key, endpoint)
        else
            health.forget(endpoint)
        end
    end
    entries, before = kept, current
    M.start()
end

-- For the status page.
function M.count()
    local number = 0
    for _ in pairs(state.table and entries or {}) do
        number = number + 1
    end
    return number
end

return M
