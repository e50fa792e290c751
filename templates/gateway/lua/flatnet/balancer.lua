-- Hands the endpoint that flatnet.access chose to nginx. Called again where a connection turns out to be closed that had been
-- kept; what fails otherwise goes back to flatnet.access.
local balancer = require("ngx.balancer")
local health = require("flatnet.health")

local M = {}

-- Seconds to connect, to send and to read for upgraded connections: a WebSocket may be silent for an hour. All others
-- have those of proxy.conf and grpc.conf.
local CONNECT, SEND, READ_UPGRADED = 1, 300, 3600

-- Nothing may be refused here: nginx would answer 500. Who comes here has an endpoint.
function M.run()
    local context = ngx.ctx
    local endpoint = context.endpoint
    if balancer.get_last_failure() then
        endpoint = health.pick(context.route, endpoint) or endpoint
        -- A context of its own: flatnet.quick gives the same one to many requests.
        ngx.ctx = { route = context.route, endpoint = endpoint, is_quick = context.is_quick, is_upgrade = context.is_upgrade }
    end
    if context.is_upgrade then
        balancer.set_timeouts(CONNECT, SEND, READ_UPGRADED)
    end
    local set, why = balancer.set_current_peer(endpoint.address, endpoint.port)
    if not set then
        ngx.log(ngx.ERR, "flatnet: ", endpoint.peer, " cannot be used: ", why)
    end
end

return M
