-- After the answer: what the log and the metrics say about the request.
local metrics = require("flatnet.metrics")

local M = {}

function M.run()
    local context = ngx.ctx
    local route, endpoint = context.route, context.endpoint
    local seconds = ngx.now() - ngx.req.start_time()
    if context.is_quick then
        -- What locations.conf has put there is the route's name.
        if endpoint.container ~= route.name then
            ngx.var.flatnet_container = endpoint.container
        end
        return metrics.count(route.name, ngx.status, seconds)
    end
    local var = ngx.var
    if endpoint then
        var.flatnet_container = endpoint.container
    end
    metrics.count(var.flatnet_route or "", ngx.status, seconds, var.flatnet_held, var.flatnet_replays)
end

return M
