-- Forwards a request to a container byte by byte, and its answer without 1xx answers. The client is nginx itself, on a loopback
-- address, and handles everything else as usual.
local state = require("flatnet.state")

local M = {}

-- The value of `proxy_buffer_size`.
local LARGEST = 65536
-- Seconds as in proxy.conf. The client side of nginx enforces the time between reads.
local CONNECT, SEND, READ = 1, 300, 3600

-- The beginning of the final answer, after any 1xx answers; nil if a header is too large.
function M.skip(container)
    local text = ""
    while true do
        local status = string.match(text, "^HTTP/1%.%d (%d%d%d)")
        if status and (status >= "200" or status == "101") or not status and #text >= 12 then
            return text
        end
        local _, head = string.find(text, "\r?\n\r?\n")
        if head then
            text = string.sub(text, head + 1)
        elseif #text > LARGEST then
            return nil
        else
            local more = container:receiveany(LARGEST)
            if not more then
                return text
            end
            text = text .. more
        end
    end
end

-- Copies until one side ends. Returns whether that was `from`, and whether it closed normally.
local function pump(from, to)
    while true do
        local data, why = from:receiveany(LARGEST)
        if not data then
            return true, why == "closed"
        elseif not to:send(data) then
            return false
        end
    end
end

-- Forwards the container's answer. The second result is whether it was complete.
local function answer(container, client)
    local first = M.skip(container)
    if not first or first == "" or not client:send(first) then
        return nil, false
    end
    local is_end, is_whole = pump(container, client)
    return nil, is_end and is_whole
end

local function connect(endpoint)
    local socket = ngx.socket.tcp()
    socket:settimeouts(CONNECT * 1000, SEND * 1000, READ * 1000)
    if not socket:connect(endpoint.address, endpoint.port) then
        return nil
    end
    -- The certificate is not verified, as in proxy_changed.conf.
    if endpoint.scheme == "https" and not socket:sslhandshake(nil, ngx.var.host, false) then
        return nil
    end
    return socket
end

-- Forwards request and answer. Returns whether the answer was complete.
function M.pass(client, container)
    -- Lua's default is one minute, after which a waiting client would count as gone.
    client:settimeouts(CONNECT * 1000, SEND * 1000, READ * 1000)
    local request = string.gsub(ngx.req.raw_header(), "\r\nX%-Flatnet%-Peer:[^\r]*", "", 1)
    if not container:send(request) then
        return false
    end
    local up, down = ngx.thread.spawn(pump, client, container), ngx.thread.spawn(answer, container, client)
    local _, is_client_gone, is_whole = ngx.thread.wait(up, down)
    -- A container that stops reading the body may still have answered.
    if is_client_gone == false then
        _, _, is_whole = ngx.thread.wait(down)
    end
    return is_client_gone ~= true and is_whole == true
end

-- The peer must be in the routes table: the relay connects to no other address.
function M.run()
    local endpoint = state.table and state.table.by_peer[ngx.var.http_x_flatnet_peer or ""]
    local client = endpoint and ngx.req.socket(true)
    local container = client and connect(endpoint)
    if container and M.pass(client, container) then
        return ngx.exit(ngx.OK)
    end
    -- Reset the connection: nginx on the client side handles it.
    return ngx.exit(444)
end

return M
