-- Probes an endpoint over a separate socket.
local M = {}

local function connect(endpoint, seconds)
    local socket = ngx.socket.tcp()
    socket:settimeouts(seconds * 1000, seconds * 1000, seconds * 1000)
    local connected, why = socket:connect(endpoint.address, endpoint.port)
    if not connected then
        return nil, why
    end
    return socket
end

-- Whether it accepts a connection: true, or nil and the error.
function M.accepts(endpoint, seconds)
    local socket, why = connect(endpoint, seconds)
    if not socket then
        return nil, why
    end
    socket:close()
    return true
end

local function status(socket, endpoint, path)
    if endpoint.scheme == "https" then
        -- The certificate is not verified: there is no CA to verify it with.
        local shaken, why = socket:sslhandshake(nil, nil, false)
        if not shaken then
            return nil, why
        end
    end
    local sent, why = socket:send("GET " .. path .. " HTTP/1.1\r\nHost: " .. endpoint.peer
        .. "\r\nUser-Agent: flatnet-gateway\r\nConnection: close\r\n\r\n")
    if not sent then
        return nil, why
    end
    local line, problem = socket:receive("*l")
    return line and tonumber(string.match(line, "^HTTP/1%.%d (%d%d%d)")), problem or "no HTTP answer"
end

-- Whether GET `path` returns 2xx or 3xx. For a gRPC endpoint, whether it accepts a connection.
function M.is_well(endpoint, path, seconds)
    if endpoint.scheme == "grpc" or endpoint.scheme == "grpcs" then
        return M.accepts(endpoint, seconds)
    end
    local socket, why = connect(endpoint, seconds)
    if not socket then
        return nil, why
    end
    local code, problem = status(socket, endpoint, path)
    socket:close()
    if not code then
        return nil, problem
    end
    return code >= 200 and code < 400, "HTTP " .. code
end

return M
