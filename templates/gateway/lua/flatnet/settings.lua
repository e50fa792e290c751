-- Validates the settings from nginx.conf. With an invalid one nginx does not start, or ignores the reload. (`nginx -t` runs no
-- Lua.)
local ipv4 = require("flatnet.ipv4")

local M = {}

local function fail(name, wanted, value)
    error(string.format("flatnet: setting %s must be %s, not %s", name, wanted, tostring(value)), 0)
end

local function texts(given, name)
    local list = given[name]
    if type(list) ~= "table" or #list == 0 then
        fail(name, "a non-empty list of strings", list)
    end
    for _, text in ipairs(list) do
        if type(text) ~= "string" or text == "" then
            fail(name, "a list of strings", text)
        end
    end
    return list
end

local function text(given, name)
    if type(given[name]) ~= "string" or given[name] == "" then
        fail(name, "a string", given[name])
    end
    return given[name]
end

local function networks(given, name)
    local list = {}
    for _, item in ipairs(texts(given, name)) do
        local network = ipv4.network(item)
        if not network then
            fail(name, "a list of networks such as 10.87.0.0/16", item)
        end
        list[#list + 1] = network
    end
    return list
end

function M.check(given)
    local poll = given.poll_ms
    if type(poll) ~= "number" or poll < 10 then
        fail("poll_ms", "a number of at least 10", poll)
    end
    local domains = {}
    for index, domain in ipairs(texts(given, "domains")) do
        domains[index] = string.lower(domain)
    end
    return {
        prefix = text(given, "prefix"),
        version = text(given, "version"),
        name = string.lower(text(given, "name")),
        domains = domains,
        range = networks(given, "range"),
        range_text = table.concat(given.range, ", "),
        poll = poll / 1000,
    }
end

return M
