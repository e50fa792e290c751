-- Which host a container is told: the one by which its route was chosen, with the port that the client wrote.
local M = {}

-- Whether the client's Host header says nothing else than `host`, which nginx has without a port, in small letters.
function M.is_host(header, host)
    if header == host then
        return true
    elseif not header then
        return false
    end
    return string.lower((string.gsub(string.gsub(header, ":%d*$", ""), "%.$", ""))) == host
end

-- A target in absolute form counts, and not the header beside it (RFC 9112, 3.2.2).
function M.host(var)
    local header, host = var.http_host, var.host
    if M.is_host(header, host) then
        return header
    end
    local authority = string.match(var.request or "", "^%S+ %a[%w+.-]*://([^/?#%s]+)")
    return authority and (string.gsub(authority, "^.*@", "")) or host
end

return M
