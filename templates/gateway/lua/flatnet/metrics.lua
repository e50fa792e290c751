-- Request counters, shared by the workers, and /_flatnet/metrics in Prometheus' text format.
local M = {}

local dict = ngx.shared.flatnet_metrics

-- Each worker counts locally and adds to the shared counters once a second, which keeps the cost per request low.
local INTERVAL = 1

-- By route, then by "requests STATUS", "seconds", "held" or "replayed".
local counts = {}
local waiting = false

local function flush()
    waiting = false
    for route, numbers in pairs(counts) do
        for what, number in pairs(numbers) do
            -- Route names have no spaces.
            dict:incr(route .. " " .. what, number, 0)
        end
    end
    counts = {}
end

local function add(numbers, what, number)
    numbers[what] = (numbers[what] or 0) + number
end

local REQUESTS = setmetatable({}, { __index = function(names, status)
    names[status] = "requests " .. status
    return names[status]
end })

function M.count(route, status, seconds, held, replays)
    local numbers = counts[route]
    if not numbers then
        numbers = {}
        counts[route] = numbers
        if not waiting then
            waiting = ngx.timer.at(INTERVAL, flush) and true or false
        end
    end
    add(numbers, REQUESTS[status], 1)
    add(numbers, "seconds", seconds)
    if held and held ~= "" then
        add(numbers, "held", 1)
    end
    if replays and replays ~= "" then
        add(numbers, "replayed", 1)
    end
end

local FAMILIES = {
    { "requests", "flatnet_requests_total", "counter", "Requests by route (empty: none) and status." },
    { "seconds", "flatnet_request_seconds_total", "counter", "Time that requests took, from first byte to last." },
    { "held", "flatnet_requests_held_total", "counter", "Requests that waited for a container." },
    { "replayed", "flatnet_requests_replayed_total", "counter", "Requests that were repeated." },
}

local function escape(text)
    return (string.gsub(text, '[\\"\n]', { ["\\"] = "\\\\", ['"'] = '\\"', ["\n"] = "\\n" }))
end

local function line(name, labels, value)
    local parts = {}
    for index, label in ipairs(labels) do
        parts[index] = label[1] .. '="' .. escape(label[2]) .. '"'
    end
    local braces = #parts > 0 and "{" .. table.concat(parts, ",") .. "}" or ""
    return name .. braces .. " " .. tostring(value)
end

local function head(lines, name, kind, what)
    lines[#lines + 1] = "# HELP " .. name .. " " .. what
    lines[#lines + 1] = "# TYPE " .. name .. " " .. kind
end

local function counters(lines)
    local keys = dict:get_keys(0)
    table.sort(keys)
    for _, family in ipairs(FAMILIES) do
        local kind, name = family[1], family[2]
        head(lines, name, family[3], family[4])
        for _, key in ipairs(keys) do
            local route, key_kind, label = string.match(key, "^(%S*) (%S+) ?(%S*)$")
            if key_kind == kind then
                local labels = { { "route", route } }
                if label ~= "" then
                    labels[2] = { "status", label }
                end
                lines[#lines + 1] = line(name, labels, dict:get(key) or 0)
            end
        end
    end
end

local function gauge(lines, name, what, value)
    head(lines, name, "gauge", what)
    lines[#lines + 1] = line(name, {}, value)
end

local function endpoints(lines, model)
    head(lines, "flatnet_endpoint_up", "gauge", "Whether requests are sent to this endpoint.")
    for _, route in ipairs(model.routes) do
        for _, endpoint in ipairs(route.endpoints) do
            lines[#lines + 1] = line("flatnet_endpoint_up", {
                { "route", route.name }, { "container", endpoint.container },
                { "address", endpoint.address .. ":" .. endpoint.port },
            }, endpoint.health == "up" and 1 or 0)
        end
    end
end

-- model: flatnet.status; connections: what nginx counts, by name.
function M.text(model, connections)
    flush()
    local lines = {}
    counters(lines)
    endpoints(lines, model)
    gauge(lines, "flatnet_routes", "Routes in force.", #model.routes)
    gauge(lines, "flatnet_routes_generation", "Generation of the routes table in force.", tonumber(model.generation) or 0)
    gauge(lines, "flatnet_routes_fresh", "Whether the current file is in force.", model.problem and 0 or 1)
    head(lines, "flatnet_lua_bytes", "gauge", "Lua memory of the worker that answers this request.")
    lines[#lines + 1] = line("flatnet_lua_bytes", { { "worker", tostring(ngx.worker.id()) } },
        math.floor(collectgarbage("count") * 1024))
    head(lines, "flatnet_connections", "gauge", "Client connections.")
    for _, connection in ipairs(connections) do
        lines[#lines + 1] = line("flatnet_connections", { { "state", connection[1] } }, connection[2])
    end
    return table.concat(lines, "\n") .. "\n"
end

return M
