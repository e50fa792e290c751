-- Documents and routes tables for specs.
local M = {}

function M.endpoint(changes)
    local endpoint = { container = "web", id = "0123456789ab", address = "10.87.1.2", port = 3000, state = "running",
        since = "2026-11-23T11:58:01Z" }
    for key, value in pairs(changes or {}) do endpoint[key] = value end
    return endpoint
end

function M.route(changes)
    local route = { name = "web", hosts = { "web.local" }, path = "/", strip = false, scheme = "http", stream = false, hold = 10,
        endpoints = { M.endpoint() } }
    for key, value in pairs(changes or {}) do route[key] = value end
    return route
end

function M.document(routes)
    return { version = 1, generation = 7, routes = routes or { M.route() }, unrouted = {}, ["end"] = 7 }
end

-- What host 1 has in its table when host 2, with a container of the same name, is there or away.
function M.two_hosts(answers)
    local document = M.document({ M.route(), M.route({ name = "web.h2", host = 2,
        endpoints = { M.endpoint({ address = "10.87.2.2", id = "0123456789ac" }) } }) })
    document.host = { name = "dev-pc", network = "flatnet", subnet = "10.87.1.0/24", number = 1 }
    document.hosts = { { number = 2, name = "lab", subnet = "10.87.2.0/24", answers = answers, since = "2026-11-30T10:00:00Z" } }
    document.unrouted = { { container = "db", host = 2, address = "10.87.2.3", state = "running", why = "no" } }
    return document
end

-- A routes table in force, as flatnet.watch makes it.
function M.table(routes, before, now)
    return M.built(M.document(routes), before, now)
end

function M.built(document, before, now)
    return require("flatnet.routes").build(document, before, require("flatnet.own_names").is_own, now or ngx.now(),
        function() end)
end

function M.settings()
    return { prefix = "templates/gateway/", version = "0.0.0", name = "dev-pc", domains = { "flatnet.internal", "local" },
        range = { "10.87.0.0/16" }, poll_ms = 250 }
end

return M
