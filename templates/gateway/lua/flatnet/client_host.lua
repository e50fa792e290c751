-- The Host header for containers: the host by which the route was chosen, with the port of the client's header.
local M = {}

-- Whether the client's Host header is equal to `host` except for a port, a final dot and case; nginx normalizes `host`.
function M.is_host(header, host)
    if header == host then
        return true
    elseif not header then
        return false
    end
    return string.lower((string.gsub(string.gsub(header, ":%d*$", ""), "%.$", ""))) == host
end

-- A target in absolute form takes precedence over the header (RFC 9112, 3.2.2).
function M.host(var)
    local header, host = var.http_host, var.host
    if M.is_host(header, host) then
        return header
    end
    local authority = string.match(var.request or "", "^%S+ %a[%w+.-]*://([^/?#%s]+)")
    return authority and (string.gsub(authority, "^.*@", "")) or host
end

return M
