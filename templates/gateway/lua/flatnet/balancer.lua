-- Passes the chosen endpoint to nginx. Called again if a kept connection turns out to be closed; other failures return to
-- flatnet.access.
local balancer = require("ngx.balancer")
local health = require("flatnet.health")

local M = {}

-- Seconds to connect, to send and to read. A WebSocket may be idle for an hour. An endpoint that is tried again has just accepted
-- a probe: if its queue is full, the kernel retransmits after one and three seconds. All others have the limits of proxy.conf and
-- grpc.conf.
local CONNECT, CONNECT_AGAIN, SEND, READ, READ_UPGRADED = 1, 3.5, 300, 300, 3600

local function set_timeouts(context)
    local connect = context.is_again and CONNECT_AGAIN or CONNECT
    local read = context.is_upgrade and READ_UPGRADED or READ
    balancer.set_timeouts(connect, SEND, read)
end

-- Must not fail: nginx would answer 500. The request always has an endpoint here.
function M.run()
    local context = ngx.ctx
    local endpoint = context.endpoint
    if balancer.get_last_failure() then
        endpoint = health.pick(context.route, endpoint) or endpoint
        -- A new context: flatnet.fast_path shares one between requests.
        ngx.ctx = { route = context.route, endpoint = endpoint, is_fast_path = context.is_fast_path,
            is_upgrade = context.is_upgrade, is_again = context.is_again }
    end
    if context.is_upgrade or context.is_again then
        set_timeouts(context)
    end
    local set, why = balancer.set_current_peer(endpoint.address, endpoint.port)
    if not set then
        ngx.log(ngx.ERR, "flatnet: ", endpoint.peer, " is not a valid peer: ", why)
    end
end

return M
