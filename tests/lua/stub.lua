-- What specs have instead of nginx: the parts of `ngx` that the modules use, with a clock that the specs turn.
local Dict = {}
Dict.__index = Dict

function Dict:get(key) return self.values[key] end
function Dict:set(key, value) self.values[key] = value return true end
function Dict:delete(key) self.values[key] = nil end
function Dict:add(key, value)
    if self.values[key] ~= nil then return false, "exists" end
    self.values[key] = value
    return true
end
function Dict:incr(key, value, first)
    self.values[key] = (self.values[key] or first) + value
    return self.values[key]
end
function Dict:get_keys()
    local keys = {}
    for key in pairs(self.values) do keys[#keys + 1] = key end
    return keys
end

local function dict() return setmetatable({ values = {} }, Dict) end

local clock = 1000
local timers = {}

ngx = {
    WARN = "warn", ERR = "err", HTTP_OK = 200,
    shared = { flatnet_health = dict(), flatnet_metrics = dict() },
    header = {}, ctx = {}, var = {}, logged = {}, sent = {},
    now = function() return clock end,
    time = function() return math.floor(clock) end,
    sleep = function(seconds) clock = clock + seconds end,
    log = function(_, ...) table.insert(ngx.logged, table.concat({ ... })) end,
    print = function(text) table.insert(ngx.sent, text) end,
    say = function(text) table.insert(ngx.sent, text .. "\n") end,
    exit = function(code) ngx.exited = code end,
    redirect = function(target, status) ngx.place = status .. " " .. target end,
    exec = function(place) ngx.place = place end,
    send_headers = function() end,
    escape_uri = function(text)
        return (string.gsub(text, "[^%w._~-]", function(c) return string.format("%%%02X", string.byte(c)) end))
    end,
    req = { get_method = function() return ngx.method or "GET" end, set_uri = function(uri) ngx.uri = uri end,
        start_time = function() return clock - 0.1 end },
    worker = { id = function() return 0 end, exiting = function() return false end },
    timer = { at = function(delay, run, argument)
        table.insert(timers, { at = clock + delay, run = run, argument = argument })
        return true
    end },
    config = { prefix = function() return "/" end },
    -- Turns the clock and runs what is due, in its order.
    turn = function(seconds)
        local stop = clock + seconds
        while true do
            local first
            for index, timer in ipairs(timers) do
                if timer.at <= stop and (not first or timer.at < timers[first].at) then first = index end
            end
            if not first then break end
            local timer = table.remove(timers, first)
            clock = math.max(clock, timer.at)
            timer.run(false, timer.argument)
        end
        clock = stop
    end,
    -- As before any request.
    reset = function()
        ngx.header, ngx.ctx, ngx.var, ngx.logged, ngx.sent = {}, {}, {}, {}, {}
        ngx.status, ngx.exited, ngx.place, ngx.method, ngx.uri = nil, nil, nil, nil, nil
        ngx.shared.flatnet_health.values, ngx.shared.flatnet_metrics.values = {}, {}
        timers = {}
    end,
}
