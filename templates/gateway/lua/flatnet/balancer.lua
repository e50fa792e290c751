-- Hands the endpoint that flatnet.access chose to nginx. Called again where a connection turns out to be closed that had been
-- kept; what fails otherwise goes back to flatnet.access.
local balancer = require("ngx.balancer")
local health = require("flatnet.health")

local M = {}

-- Seconds to connect, to send and to read. A WebSocket may be silent for an hour. Who is tried again has just accepted a look:
-- where its queue is full, the kernel asks again after one second and after three. All others have the times of proxy.conf
-- and grpc.conf.
local CONNECT, CONNECT_AGAIN, SEND, READ, READ_UPGRADED = 1, 3.5, 300, 300, 3600

local function set_timeouts(context)
    local connect = context.is_again and CONNECT_AGAIN or CONNECT
    local read = context.is_upgrade and READ_UPGRADED or READ
    balancer.set_timeouts(connect, SEND, read)
end

-- Nothing may be refused here: nginx would answer 500. Who comes here has an endpoint.
function M.run()
    local context = ngx.ctx
    local endpoint = context.endpoint
    if balancer.get_last_failure() then
        endpoint = health.pick(context.route, endpoint) or endpoint
        -- A context of its own: flatnet.quick gives the same one to many requests.
        ngx.ctx = { route = context.route, endpoint = endpoint, is_quick = context.is_quick,
            is_upgrade = context.is_upgrade, is_again = context.is_again }
    end
    if context.is_upgrade or context.is_again then
        set_timeouts(context)
    end
    local set, why = balancer.set_current_peer(endpoint.address, endpoint.port)
    if not set then
        ngx.log(ngx.ERR, "flatnet: ", endpoint.peer, " cannot be used: ", why)
    end
end

return M
