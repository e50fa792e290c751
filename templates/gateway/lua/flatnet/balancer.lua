-- Hands the endpoint that flatnet.access chose to nginx; called again where the connection to it failed.
local balancer = require("ngx.balancer")
local health = require("flatnet.health")
local recover = require("flatnet.recover")

local M = {}

-- Seconds to connect, to send and to read for upgraded connections: a WebSocket may be silent for an hour. All others
-- have those of proxy.conf and grpc.conf.
local CONNECT, SEND, READ_UPGRADED = 1, 300, 3600

-- Nothing may be refused here: nginx would answer 500. Who comes here has an endpoint.
function M.run()
    local context = ngx.ctx
    local endpoint = context.endpoint
    if context.tried then
        -- It may have been a kept connection that the container closed: recover finds that out within milliseconds.
        health.failed(endpoint)
        recover.watch(endpoint)
        endpoint = health.pick(context.route, endpoint) or endpoint
        context.endpoint = endpoint
    elseif #context.route.endpoints > 1 then
        balancer.set_more_tries(1)
    end
    context.tried = true
    if context.upgrade then
        balancer.set_timeouts(CONNECT, SEND, READ_UPGRADED)
    end
    local set, why = balancer.set_current_peer(endpoint.address, endpoint.port)
    if not set then
        ngx.log(ngx.ERR, "flatnet: ", endpoint.peer, " cannot be used: ", why)
    end
end

return M
