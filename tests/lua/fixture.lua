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

-- A routes table in force, as flatnet.watch makes it.
function M.table(routes, before, now)
    return require("flatnet.routes").build(M.document(routes), before, require("flatnet.own_names").is_own, now or ngx.now(),
        function() end)
end

function M.settings()
    return { prefix = "templates/gateway/", version = "0.0.0", name = "dev-pc", domains = { "flatnet.internal", "local" },
        range = { "10.87.0.0/16" }, poll_ms = 250 }
end

return M
