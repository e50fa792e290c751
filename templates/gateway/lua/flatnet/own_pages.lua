-- The gateway's own pages: / and /_flatnet/*, for the networks in `gateway.allow`.
local file = require("flatnet.file")
local json = require("flatnet.json")
local metrics = require("flatnet.metrics")
local pages = require("flatnet.pages")
local portal = require("flatnet.portal")
local state = require("flatnet.state")
local status = require("flatnet.status")

local M = {}

-- The metrics of the containers' host, which `flatnet metrics --publish` writes there.
local HOST_METRICS = "state/host.prom"
local PROMETHEUS = "text/plain; version=0.0.4"

local function send(kind, text)
    ngx.header["Content-Type"] = kind
    ngx.header["Cache-Control"] = "no-store"
    ngx.print(text)
    return ngx.exit(ngx.HTTP_OK)
end

local function connections()
    local list = {}
    for _, name in ipairs({ "active", "reading", "writing", "waiting" }) do
        local value = ngx.var["connections_" .. name]
        if value then
            list[#list + 1] = { name, value }
        end
    end
    return list
end

local PAGES = {
    ["/"] = function() return portal.send(status.model()) end,
    ["/_flatnet/status"] = function() return send("application/json", json.encode(status.model()) .. "\n") end,
    ["/_flatnet/metrics"] = function()
        return send(PROMETHEUS, metrics.text(status.model(), connections()))
    end,
    ["/_flatnet/metrics/host"] = function(path)
        local text = file.read(state.settings.prefix .. HOST_METRICS)
        if not text then
            return pages.refuse(404, "unknown_path", { path = path })
        end
        return send(PROMETHEUS, text)
    end,
    ["/_flatnet/healthz"] = function()
        -- Lets clients verify that the gateway is listening on this port.
        ngx.header["X-Flatnet"] = "gateway"
        ngx.status = state.table and 200 or 503
        return send("text/plain", state.table and "ok\n" or "no routes\n")
    end,
}

-- Answers requests for own pages; returns false for other paths.
function M.answer(path)
    if path ~= "/" and string.sub(path, 1, 10) ~= "/_flatnet/" then
        return false
    end
    if ngx.var.flatnet_allowed ~= "1" then
        pages.refuse(403, "forbidden", {})
    elseif PAGES[path] then
        PAGES[path](path)
    else
        pages.refuse(404, "unknown_path", { path = path })
    end
    return true
end

-- For own names without a matching route.
function M.fallback(path)
    return pages.refuse(404, "unknown_path", { path = path })
end

return M
