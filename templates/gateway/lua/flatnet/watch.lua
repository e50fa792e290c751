-- Keeps the table in step with state/routes.json: reads it every 250 ms and compares, since Lua knows no file times and
-- Windows sees no changes that WSL makes.
local document = require("flatnet.document")
local file = require("flatnet.file")
local names = require("flatnet.names")
local routes = require("flatnet.routes")
local state = require("flatnet.state")

local M = {}

local ROUTES = "state/routes.json"
local LAST_GOOD = "state/routes.last-good.json"

-- The content that was looked at last; and the one that is kept for the next start.
local seen
local kept
-- What to call after a new table is in force.
local listeners = {}

local function path(name)
    return state.settings.prefix .. name
end

local function complain(message)
    if not state.problem or state.problem.message ~= message then
        ngx.log(ngx.WARN, "flatnet: the routes stay as they are: ", message)
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
    local built = routes.build(checked, state.table, names.is_own, ngx.now(), pause)
    state.table, state.source, state.loaded = built, source, ngx.time()
    return true
end

local function keep_last_good(content)
    if file.read(path(LAST_GOOD)) == content then
        return
    end
    local replaced, why = file.replace(path(LAST_GOOD), content)
    if not replaced then
        ngx.log(ngx.WARN, "flatnet: the routes cannot be kept for the next start: ", why)
    end
end

-- Looks once; true if there is a new table.
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

-- While nginx starts or reloads: the file, or else the last one that was good.
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
    -- An error here must not end the polling.
    local fine, why = pcall(function()
        if look(function() ngx.sleep(0) end) then
            tell()
        end
    end)
    if not fine then
        complain(tostring(why))
    end
    -- One worker writes; a table that was read while nginx started is kept too.
    if fine and seen and not state.problem and ngx.worker.id() == 0 and kept ~= seen then
        kept = seen
        keep_last_good(seen)
    end
    M.again()
end

function M.again()
    local set, why = ngx.timer.at(state.settings.poll, poll)
    if not set and not ngx.worker.exiting() then
        ngx.log(ngx.ERR, "flatnet: routes are no longer read: ", why)
    end
end

function M.start_worker()
    -- One that nginx starts in place of another begins with the table of nginx's own start.
    pcall(look, nothing)
    if state.table then
        tell()
    end
    M.again()
end

return M
