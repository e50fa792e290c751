-- The path of a request: dispatch finds its route; admit finds an endpoint, or sends an error page.
local attempt = require("flatnet.attempt")
local client_host = require("flatnet.client_host")
local health = require("flatnet.health")
local hold = require("flatnet.hold")
local own_names = require("flatnet.own_names")
local own_pages = require("flatnet.own_pages")
local pages = require("flatnet.pages")
local probe = require("flatnet.probe")
local recover = require("flatnet.recover")
local state = require("flatnet.state")

local M = {}

-- The current route of this request. Its name is remembered, because gRPC paths are rewritten.
local function find()
    local name = ngx.var.flatnet_route
    if name and name ~= "" then
        return state.table.by_name[name]
    end
    local host = ngx.var.host
    return state.table:find(host, ngx.var.uri, own_names.is_own(host))
end

-- The request's target without the route's prefix. The client's spelling is kept if it starts with the prefix.
local function strip(prefix)
    local target = ngx.var.request_uri
    local following = string.sub(target, #prefix + 1, #prefix + 1)
    if string.sub(target, 1, #prefix) == prefix and (following == "" or string.find(following, "[/?]")) then
        target = string.sub(target, #prefix + 1)
    else
        -- For example /%78/y for /x/y.
        local path = string.sub(ngx.var.uri, #prefix + 1)
        target = string.gsub(path, "[^%w/._~!$&'()*+,;=:@-]", ngx.escape_uri) .. (ngx.var.is_args or "") .. (ngx.var.args or "")
    end
    return string.sub(target, 1, 1) == "/" and target or "/" .. target
end

-- Sets the variables that the named locations use.
function M.prepare(route)
    local var = ngx.var
    var.flatnet_route = route.name
    var.flatnet_host = client_host.host(var)
    var.flatnet_scheme = route.scheme
    var.flatnet_target = var.request_uri
    if route.strip and route.path ~= "/" then
        var.flatnet_prefix = route.path
        var.flatnet_target = strip(route.path)
    end
end

-- For flatnet.relay and for the log: an internal redirect clears ngx.ctx.
function M.name_peer(endpoint)
    ngx.var.flatnet_peer, ngx.var.flatnet_container = endpoint.peer, endpoint.container
end

local function set_grpc_path(route)
    -- grpc_pass does not support a target.
    if route.strip and route.path ~= "/" then
        ngx.req.set_uri((string.gsub(string.sub(ngx.var.uri, #route.path + 1), "^/?", "/")))
    end
end

-- Finds the route of a host. Requests for the gateway's own pages and for unknown hosts are answered here.
local function find_any(host)
    local path = ngx.var.uri
    local is_own = own_names.is_own(host)
    if is_own and own_pages.answer(path) then
        return nil
    elseif not state.table then
        return pages.refuse(503, "no_routes", {})
    end
    local route = state.table:find(host, path, is_own)
    if not route and is_own then
        return own_pages.fallback(path)
    elseif not route then
        return pages.refuse(404, "unknown_host", { host = host })
    end
    return route
end

-- Whether the prefix lacks its final slash, without which relative links would resolve outside it. WebSocket clients do not
-- follow redirects.
local function lacks_slash(route)
    local method = ngx.req.get_method()
    return route.strip and ngx.var.uri == route.path and (method == "GET" or method == "HEAD") and not ngx.var.http_upgrade
end

-- Handles what flatnet.fast_path does not.
function M.dispatch()
    local route = find_any(ngx.var.host)
    if not route then
        return
    elseif route.place == "@grpc" then
        set_grpc_path(route)
    elseif lacks_slash(route) then
        return ngx.redirect(route.path .. "/" .. (ngx.var.is_args or "") .. (ngx.var.args or ""), 308)
    end
    M.prepare(route)
    return ngx.exec(route.place)
end

-- Whether the body is streamed, so that it is not available for a second attempt.
function M.is_streamed(route)
    local method = ngx.req.get_method()
    local length = ngx.var.content_length
    -- In HTTP/2, a body may come without a header that announces it.
    local has_body = method ~= "GET" and method ~= "HEAD" or (length and length ~= "" and length ~= "0")
        or ngx.var.http_transfer_encoding ~= nil
    return has_body and (route.stream or route.place == "@grpc")
end

local function endpoint_of(route, peer)
    for _, endpoint in ipairs(route.endpoints) do
        if endpoint.peer == peer then
            return endpoint
        end
    end
    return nil
end

-- If flatnet.relay made the attempt, its peer is the container, not the relay.
local function look_behind_relay(last)
    local peer = ngx.var.flatnet_peer or ""
    if peer ~= "" and string.sub(last.peer, 1, 11) == "127.87.0.1:" then
        last.peer, last.is_relayed = peer, true
    end
end

-- Handles a failed attempt. Returns whether another one is allowed. Only a refused connection marks the endpoint as down: after a
-- broken one the next attempt will tell. A relay that does not accept says nothing about the container.
local function fail(route, last, streamed)
    local endpoint = endpoint_of(route, last.peer)
    if endpoint and not last.connected and not last.is_relayed then
        health.failed(endpoint)
        recover.watch(endpoint)
    end
    if not attempt.may_repeat(last, ngx.req.get_method(), streamed) then
        return false, endpoint
    end
    ngx.var.flatnet_replays = (tonumber(ngx.var.flatnet_replays) or 0) + 1
    return true
end

-- Whether requests to the endpoint go through flatnet.relay.
local function is_relayed(route, endpoint)
    return endpoint.is_informal and route.place ~= "@grpc"
end

-- Picks an endpoint. A streamed body can be sent only once, so the endpoint is probed first. The same applies to flatnet.relay,
-- which accepts even if the endpoint does not. gRPC calls are frequent and clients retry them, so they are not probed. `except`
-- is used only if there is no other.
local function pick(route, streamed, except)
    local endpoint = health.pick(route, except) or except and health.pick(route)
    if endpoint and (streamed and route.stream or is_relayed(route, endpoint)) and not probe.accepts(endpoint, 1) then
        health.failed(endpoint)
        recover.watch(endpoint)
        endpoint = health.pick(route)
    end
    return endpoint
end

-- A container that breaks a request off is usually about to stop, but still accepts for a moment. A sent request is repeated only
-- once, so wait for that moment to pass, unless another endpoint is available or requests are not to be held.
local SETTLE = 0.2

local function pick_after(route, streamed, last)
    local broke = last and last.sent > 0 and endpoint_of(route, last.peer)
    local endpoint = pick(route, streamed, broke)
    if endpoint and endpoint == broke and route.hold > 0 then
        ngx.sleep(SETTLE)
        return pick(route, streamed)
    end
    return endpoint
end

local function refuse_failed(route, last, endpoint)
    local facts = { route = route, endpoint = endpoint }
    if last.is_too_large then
        return pages.refuse(502, "headers_too_large", facts)
    end
    if not last.connected and last.sent == 0 then
        return pages.refuse(502, "down", facts)
    elseif last.connected and last.status == 504 then
        return pages.refuse(504, "timed_out", facts)
    end
    return pages.refuse(502, "broke_off", facts)
end

function M.admit()
    local route = find()
    if not route then
        return pages.refuse(404, "unknown_host", { host = ngx.var.host })
    end
    if ngx.var.flatnet_target == "" then
        -- It comes from a first attempt in location /.
        M.prepare(route)
    end
    local streamed = M.is_streamed(route)
    local last = attempt.read(ngx.var)
    if last then
        look_behind_relay(last)
        local again, failed = fail(route, last, streamed)
        if not again then
            return refuse_failed(route, last, failed)
        end
    end
    local endpoint = pick_after(route, streamed, last)
    if not endpoint then
        local began = ngx.now()
        endpoint, route = hold.wait(find, last ~= nil)
        ngx.var.flatnet_held = string.format("%.3f", ngx.now() - began)
    end
    if not route then
        return pages.refuse(404, "unknown_host", { host = ngx.var.host })
    elseif not endpoint then
        return pages.unavailable(route)
    end
    if is_relayed(route, endpoint) then
        M.name_peer(endpoint)
        return ngx.exec(ngx.var.flatnet_connection == "" and "@relay" or "@relay_upgrade")
    end
    local context = ngx.ctx
    context.route, context.endpoint = route, endpoint
    context.is_again = last ~= nil and endpoint.peer == last.peer
    context.is_upgrade = ngx.var.flatnet_connection ~= ""
end

return M
