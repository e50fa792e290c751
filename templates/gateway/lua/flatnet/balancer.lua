-- Hands the endpoint that flatnet.access chose to nginx; called again where the connection to it failed.
local balancer = require("ngx.balancer")
local health = require("flatnet.health")
local recover = require("flatnet.recover")

local M = {}

-- Seconds. A dead address is given up soon; an answer may take its time; a WebSocket may be silent for an hour.
local CONNECT, SEND, READ, READ_UPGRADED = 1, 300, 300, 3600

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
    balancer.set_timeouts(CONNECT, SEND, context.upgrade and READ_UPGRADED or READ)
    local set, why = balancer.set_current_peer(endpoint.address, endpoint.port)
    if not set then
        ngx.log(ngx.ERR, "flatnet: ", endpoint.peer, " cannot be used: ", why)
    end
end

return M
