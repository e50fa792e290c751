-- A container may send a 1xx before its answer (103 Early Hints, 102 Processing). nginx before 1.29 treats it as the answer and
-- the rest as its body. This module discards such an answer before it reaches the client, and sends the request again through
-- flatnet.relay, which drops 1xx answers. Later requests to the container go to the relay directly.
local access = require("flatnet.access")
local attempt = require("flatnet.attempt")
local health = require("flatnet.health")

local M = {}

-- Internal statuses that error_page in locations.conf maps to named locations; clients never see them.
local AGAIN, NOT_AGAIN = 421, 422

-- nginx' function for header filters that replace an answer, which has no Lua API. It enters the other location at once, so no
-- Lua may run there before the first wait.
local function finalize()
    local has_ffi, ffi = pcall(require, "ffi")
    if not has_ffi then
        return nil
    end
    ffi.cdef("intptr_t ngx_http_filter_finalize_request(void *request, void *module, intptr_t status);")
    -- nginx.exe on Windows does not export it.
    local is_there, call = pcall(function() return ffi.C.ngx_http_filter_finalize_request end)
    return is_there and call or nil
end

local replace = finalize()

-- Whether a final answer follows. 101 is final: it switches the protocol.
function M.is(status)
    return status < 200 and status ~= 101
end

-- Ends the header filter by an error, so that nginx sends nothing.
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
    error(string.format("flatnet: %s at %s sent %d before its answer, which nginx before 1.29 does not support. From now on "
        .. "its requests go through flatnet.relay, which is slower. To avoid this, disable such answers in the application, or "
        .. "use a newer nginx", endpoint and endpoint.container or "a container",
        endpoint and endpoint.peer or ngx.var.upstream_addr, status), 0)
end

-- For requests whose answer is passed on unchanged.
function M.filter()
    local status = ngx.status
    if M.is(status) then
        M.take_back(status)
    end
end

return M
