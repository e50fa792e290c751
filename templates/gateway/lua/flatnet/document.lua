-- Parses and validates state/routes.json. Any error rejects the whole routes table: half a table would misroute requests.
local cjson = require("cjson.safe")
local ipv4 = require("flatnet.ipv4")

local M = {}

local SCHEMES = { http = true, https = true, grpc = true, grpcs = true }
local STATES = { running = true, paused = true, restarting = true, stopped = true }
-- The number of routes that are validated before other requests get a turn.
local BATCH = 25

local function wrong(where, message, ...)
    error({ message = where .. ": " .. string.format(message, ...) }, 0)
end

local function is_integer(value, least, most)
    return type(value) == "number" and value >= least and value <= most and value % 1 == 0
end

local function text(object, key, where, pattern)
    local value = object[key]
    if type(value) ~= "string" or not string.find(value, pattern or ".") then
        wrong(where, "%s is %s", key, cjson.encode(value) or "not a string")
    end
    return value
end

local function list(object, key, where)
    local value = object[key]
    -- An array has no other keys than 1 to #value.
    if type(value) ~= "table" or (next(value) ~= nil and #value == 0) then
        wrong(where, "%s is not a list", key)
    end
    return value
end

local function check_endpoint(endpoint, where, range)
    if type(endpoint) ~= "table" then
        wrong(where, "is not an object")
    end
    text(endpoint, "container", where)
    text(endpoint, "id", where, "^%x+$")
    text(endpoint, "since", where)
    local address = text(endpoint, "address", where)
    local number = ipv4.number(address)
    if not number then
        wrong(where, "address %q is not an IPv4 address", address)
    elseif not ipv4.within(number, range.networks) then
        -- Otherwise anyone who can write this file could reach every address that the gateway reaches.
        wrong(where, "address %s is outside %s", address, range.text)
    elseif not is_integer(endpoint.port, 1, 65535) then
        wrong(where, "port is %s", tostring(endpoint.port))
    elseif not STATES[endpoint.state] then
        wrong(where, "state is %s", tostring(endpoint.state))
    end
end

local function check_health(health, where)
    if health == nil or health == cjson.null then
        return
    elseif type(health) ~= "table" then
        wrong(where, "health is not an object")
    end
    text(health, "path", where, "^/[!-~]*$")
    if type(health.interval) ~= "number" or health.interval < 1 or health.interval > 3600 then
        wrong(where, "health.interval is %s", tostring(health.interval))
    end
    for _, key in ipairs({ "healthy", "unhealthy" }) do
        if not is_integer(health[key], 1, 100) then
            wrong(where, "health.%s is %s", key, tostring(health[key]))
        end
    end
end

local function check_hosts(route, where)
    for _, host in ipairs(list(route, "hosts", where)) do
        local name = type(host) == "string" and string.gsub(host, "^%*%.", "") or ""
        if #name > 253 or not string.find(name, "^[a-z0-9_][a-z0-9_.-]*$") then
            wrong(where, "host %s is not a lower-case host name", cjson.encode(host) or "?")
        end
    end
end

local function check_upstream(route, where)
    if not SCHEMES[route.scheme] then
        wrong(where, "scheme is %s", tostring(route.scheme))
    elseif type(route.strip) ~= "boolean" or type(route.stream) ~= "boolean" then
        wrong(where, "strip and stream must be true or false")
    elseif type(route.hold) ~= "number" or route.hold < 0 or route.hold > 300 then
        wrong(where, "hold is %s", tostring(route.hold))
    end
end

-- Other hosts, which are there only with an overlay. Returns the set of their numbers.
local function check_other_hosts(document)
    local numbers = {}
    for index, host in ipairs(document.hosts ~= nil and list(document, "hosts", "the document") or {}) do
        local where = "host " .. index
        if type(host) ~= "table" then
            wrong(where, "is not an object")
        elseif not is_integer(host.number, 1, 65535) then
            wrong(where, "number is %s", tostring(host.number))
        elseif type(host.answers) ~= "boolean" then
            wrong(where, "answers must be true or false")
        end
        for _, key in ipairs({ "name", "subnet", "since" }) do
            text(host, key, where)
        end
        numbers[host.number] = true
    end
    return numbers
end

-- The number of the other host that has these containers.
local function check_host(item, where, hosts)
    if item.host ~= nil and not hosts[item.host] then
        wrong(where, "host %s is not in the list of hosts", tostring(item.host))
    end
end

local function check_route(route, where, names, hosts, range)
    if type(route) ~= "table" then
        wrong(where, "is not an object")
    end
    local name = text(route, "name", where, "^[a-zA-Z0-9][a-zA-Z0-9_.-]*$")
    where = where .. " " .. name
    if #name > 128 then
        wrong(where, "the name exceeds 128 characters")
    elseif names[name] then
        wrong(where, "the name occurs twice")
    end
    names[name] = true
    check_host(route, where, hosts)
    check_hosts(route, where)
    if text(route, "path", where, "^/[!-~]*$") == "/" and #route.hosts == 0 then
        wrong(where, "has neither a host nor a path")
    end
    check_upstream(route, where)
    check_health(route.health, where)
    for index, endpoint in ipairs(list(route, "endpoints", where)) do
        check_endpoint(endpoint, where .. " endpoint " .. index, range)
    end
end

local function check_unrouted(item, where, hosts)
    if type(item) ~= "table" then
        wrong(where, "is not an object")
    end
    check_host(item, where, hosts)
    for _, key in ipairs({ "container", "address", "state", "why" }) do
        text(item, key, where)
    end
    if item.facts ~= nil and type(item.facts) ~= "table" then
        wrong(where, "facts is not an object")
    end
end

local function check(document, range, pause)
    if type(document) ~= "table" then
        wrong("the document", "is not an object")
    elseif document.version ~= 1 then
        wrong("version", "%s is not supported; it must be 1", tostring(document.version))
    elseif not is_integer(document.generation, 0, 2 ^ 53) then
        wrong("generation", "is %s", tostring(document.generation))
    elseif document["end"] ~= document.generation then
        -- The last key repeats the generation, so that an incomplete file is detected.
        wrong("end", "is %s but generation is %s: the file is incomplete", tostring(document["end"]),
            tostring(document.generation))
    end
    local names, hosts = {}, check_other_hosts(document)
    for index, route in ipairs(list(document, "routes", "the document")) do
        check_route(route, "route " .. index, names, hosts, range)
        if index % BATCH == 0 then
            pause()
        end
    end
    for index, item in ipairs(list(document, "unrouted", "the document")) do
        check_unrouted(item, "unrouted " .. index, hosts)
    end
    return document
end

-- range: {networks = .., text = ..}; pause: called at intervals to let other requests run.
-- Returns the document, or nil and the error.
function M.read(content, range, pause)
    local decoded, problem = cjson.decode(content)
    if decoded == nil then
        return nil, "not valid JSON: " .. tostring(problem)
    end
    local fine, result = pcall(check, decoded, range, pause)
    if fine then
        return result
    end
    return nil, type(result) == "table" and result.message or tostring(result)
end

return M
