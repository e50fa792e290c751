-- Follows state/routes.json: reads it every 250 ms and compares the content, because Lua cannot read file times, and Windows does
-- not notify of changes from WSL.
local document = require("flatnet.document")
local file = require("flatnet.file")
local own_names = require("flatnet.own_names")
local routes = require("flatnet.routes")
local state = require("flatnet.state")

local M = {}

local ROUTES = "state/routes.json"
local LAST_GOOD = "state/routes.last-good.json"

-- The content read last, and the content saved for the next start.
local seen
local kept
-- Functions to call when a new table is in force.
local listeners = {}

local function path(name)
    return state.settings.prefix .. name
end

local function complain(message)
    if not state.problem or state.problem.message ~= message then
        ngx.log(ngx.WARN, "flatnet: keeping the previous routes table: ", message)
        state.problem = { message = message, since = ngx.time() }
    end
end

local function swap(content, source, pause)
    local settings = state.settings
    local range = { networks = settings.range, text = settings.range_text }
    local checked, why = document.read(content, range, pause)
    if not checked then
        return nil, source .. ": " .. why
    end
    local built = routes.build(checked, state.table, own_names.is_own, ngx.now(), pause)
    state.table, state.source, state.loaded = built, source, ngx.time()
    return true
end

local function keep_last_good(content)
    if file.read(path(LAST_GOOD)) == content then
        return
    end
    local replaced, why = file.replace(path(LAST_GOOD), content)
    if not replaced then
        ngx.log(ngx.WARN, "flatnet: cannot save the routes table for the next start: ", why)
    end
end

-- Reads the file once; returns true if a new table is in force.
local function look(pause)
    local content, why = file.read(path(ROUTES))
    if not content then
        seen = nil
        complain(why)
        return false
    elseif content == seen then
        return false
    end
    seen = content
    local swapped, wrong = swap(content, ROUTES, pause)
    if swapped then
        state.problem = nil
    else
        complain(wrong)
    end
    return swapped
end

local function nothing() end

-- While nginx starts or reloads: loads the file, or else the last good one.
function M.start()
    if look(nothing) then
        return
    end
    local content = file.read(path(LAST_GOOD))
    if content then
        swap(content, LAST_GOOD, nothing)
    end
end

function M.on_change(listener)
    listeners[#listeners + 1] = listener
end

local function tell()
    for _, listener in ipairs(listeners) do
        listener(state.table)
    end
end

local function poll(premature)
    if premature then
        return
    end
    -- An error must not end the polling.
    local fine, why = pcall(function()
        if look(function() ngx.sleep(0) end) then
            tell()
        end
    end)
    if not fine then
        complain(tostring(why))
    end
    -- One worker saves the table, including one that was read while nginx started.
    if fine and seen and not state.problem and ngx.worker.id() == 0 and kept ~= seen then
        kept = seen
        keep_last_good(seen)
    end
    M.again()
end

function M.again()
    local set, why = ngx.timer.at(state.settings.poll, poll)
    if not set and not ngx.worker.exiting() then
        ngx.log(ngx.ERR, "flatnet: cannot poll the routes table any more: ", why)
    end
end

function M.start_worker()
    -- A replacement worker starts with the table that nginx loaded at its own start.
    pcall(look, nothing)
    if state.table then
        tell()
    end
    M.again()
end

return M
