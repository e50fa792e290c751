-- After the answer: what the log and the metrics say about the request.
local metrics = require("flatnet.metrics")

local M = {}

function M.run()
    local endpoint = ngx.ctx.endpoint
    if endpoint then
        ngx.var.flatnet_container = endpoint.container
    end
    local var = ngx.var
    metrics.count(var.flatnet_route or "", ngx.status, tonumber(var.request_time) or 0, var.flatnet_held, var.flatnet_replays)
end

return M
