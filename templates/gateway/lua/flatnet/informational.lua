-- A container may send a 1xx before its answer (103 Early Hints, 102 Processing). nginx before 1.29 takes that for the answer
-- itself, and all that follows for its body. Here such a request is taken back before anything of it has reached the client, and
-- sent once more through flatnet.relay, which leaves out what is 1xx. Later requests to the container go there at once.
local access = require("flatnet.access")
local attempt = require("flatnet.attempt")
local health = require("flatnet.health")

local M = {}

-- No status that a client sees: error_page of locations.conf leads to another place.
local AGAIN, NOT_AGAIN = 421, 422

-- What nginx has for header filters that replace an answer. Lua has no word for it. It goes to the other place at once, so no
-- Lua may run there before the first wait.
local function finalize()
    local has_ffi, ffi = pcall(require, "ffi")
    if not has_ffi then
        return nil
    end
    ffi.cdef("intptr_t ngx_http_filter_finalize_request(void *request, void *module, intptr_t status);")
    -- On Windows nginx.exe does not show it.
    local is_there, call = pcall(function() return ffi.C.ngx_http_filter_finalize_request end)
    return is_there and call or nil
end

local replace = finalize()

-- Whether a final answer follows. 101 is final: the connection speaks another protocol from then on.
function M.is(status)
    return status < 200 and status ~= 101
end

-- Ends the header filter: an error is how nginx learns that nothing is to be sent.
function M.take_back(status)
    local route, endpoint = ngx.ctx.route, ngx.ctx.endpoint
    if endpoint then
        health.informs(endpoint)
        local again = attempt.is_idempotent(ngx.req.get_method()) and not access.is_streamed(route)
        access.prepare(route)
        access.name_peer(endpoint)
        if replace then
            ngx.var.flatnet_replays = again and "1" or ""
            replace(require("resty.core.base").get_request(), nil, again and AGAIN or NOT_AGAIN)
        end
    end
    error(string.format("flatnet: %s at %s sent %d before its answer, which nginx before 1.29 takes for the answer. From now on "
        .. "its requests take a longer way (flatnet.relay). To spare it: switch such answers off in the application, or use a "
        .. "newer nginx", endpoint and endpoint.container or "a container", endpoint and endpoint.peer or ngx.var.upstream_addr,
        status), 0)
end

-- For the usual request, whose answer is passed on as it is.
function M.filter()
    local status = ngx.status
    if M.is(status) then
        M.take_back(status)
    end
end

return M
