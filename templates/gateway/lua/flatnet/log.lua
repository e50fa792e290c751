-- After the answer: what the log and the metrics say about the request.
local metrics = require("flatnet.metrics")

local M = {}

function M.run()
    local context, var = ngx.ctx, ngx.var
    local endpoint = context.endpoint
    if endpoint then
        var.flatnet_route, var.flatnet_container = context.route.name, endpoint.container
    end
    local seconds = ngx.now() - ngx.req.start_time()
    if context.at_once then
        return metrics.count(context.route.name, ngx.status, seconds)
    end
    metrics.count(var.flatnet_route or "", ngx.status, seconds, var.flatnet_held, var.flatnet_replays)
end

return M
