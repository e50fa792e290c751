-- Sets the log variables and counts metrics after the answer.
local metrics = require("flatnet.metrics")
local utf8 = require("flatnet.utf8")

local M = {}

-- The client's text with non-ASCII bytes as %XX.
local function escaped(text)
    return text and (string.gsub(text, "[\128-\255]", function(byte)
        return string.format("%%%02X", string.byte(byte))
    end)) or ""
end

-- A log line must be valid JSON: text that is not UTF-8 is escaped byte by byte (`flatnet_odd` in nginx.conf).
local function escape_what_is_odd(var)
    if utf8.is_valid(var.request_uri) and utf8.is_valid(var.http_user_agent) and utf8.is_valid(var.http_referer)
        and utf8.is_valid(var.host) then
        return
    end
    var.flatnet_is_odd = "1"
    var.flatnet_odd_host, var.flatnet_odd_uri = escaped(var.host), escaped(var.request_uri)
    var.flatnet_odd_referer, var.flatnet_odd_user_agent = escaped(var.http_referer), escaped(var.http_user_agent)
end

function M.run()
    local context = ngx.ctx
    local route, endpoint = context.route, context.endpoint
    local seconds = ngx.now() - ngx.req.start_time()
    if context.is_fast_path then
        -- locations.conf has set the route's name.
        if endpoint.container ~= route.name then
            ngx.var.flatnet_container = endpoint.container
        end
        return metrics.count(route.name, ngx.status, seconds)
    end
    local var = ngx.var
    escape_what_is_odd(var)
    if endpoint then
        var.flatnet_container = endpoint.container
    end
    metrics.count(var.flatnet_route or "", ngx.status, seconds, var.flatnet_held, var.flatnet_replays)
end

return M
