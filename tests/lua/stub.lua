-- Replaces nginx in specs: the parts of `ngx` that the modules use, with a clock that the specs set.
local Dict = {}
Dict.__index = Dict

function Dict:get(key)
    local kept = self.kept_until[key]
    if kept and kept <= ngx.now() then self:delete(key) end
    return self.values[key]
end
function Dict:set(key, value, seconds)
    self.values[key] = value
    self.kept_until[key] = seconds and seconds > 0 and ngx.now() + seconds or nil
    return true
end
function Dict:delete(key) self.values[key], self.kept_until[key] = nil, nil end
function Dict:add(key, value, seconds)
    if self:get(key) ~= nil then return false, "exists" end
    return self:set(key, value, seconds)
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

local function dict() return setmetatable({ values = {}, kept_until = {} }, Dict) end

local clock = 100000
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
    -- Advances the clock, and runs due timers in order.
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
    -- Sets the system clock back. Timers are not affected, because they use a monotonic clock.
    set_back = function(seconds)
        clock = clock - seconds
        for _, timer in ipairs(timers) do timer.at = timer.at - seconds end
    end,
    -- Resets the request, shared dictionaries and timers.
    reset = function()
        ngx.header, ngx.ctx, ngx.var, ngx.logged, ngx.sent = {}, {}, {}, {}, {}
        ngx.status, ngx.exited, ngx.place, ngx.method, ngx.uri = nil, nil, nil, nil, nil
        for _, shared in pairs(ngx.shared) do shared.values, shared.kept_until = {}, {} end
        timers = {}
    end,
}
