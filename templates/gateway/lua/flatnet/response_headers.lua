-- Rewrites a container's URLs in response headers for the browser, for requests that flatnet.fast_path does not handle: a
-- stripped prefix, an upgrade, TLS to the container.
local informational = require("flatnet.informational")

local M = {}

local DEFAULT = { [""] = true, ["80"] = true, ["443"] = true }

-- Whether an authority is that of the client's request, apart from a default port.
local function is_own(authority, client_host)
    local host, port = string.match(authority, "^(.-):?(%d*)$")
    local client_name, client_port = string.match(client_host, "^(.-):?(%d*)$")
    return string.lower(host) == string.lower(client_name) and (DEFAULT[port] or port == client_port)
end

local function with_prefix(path, prefix)
    local following = string.sub(path, #prefix + 1, #prefix + 1)
    if prefix == "" or string.sub(path, 1, #prefix) == prefix and (following == "" or string.find(following, "[/?#]")) then
        return path
    end
    return prefix .. (string.sub(path, 1, 1) == "/" and path or "/" .. path)
end

-- Scheme (nil if relative), authority and the rest of a URL with an authority.
local function parts(url)
    local scheme, authority, rest = string.match(url, "^(%a[%w+.-]*)://([^/?#]*)(.*)$")
    if not scheme then
        authority, rest = string.match(url, "^//([^/?#]*)(.*)$")
    end
    return scheme and string.lower(scheme), authority, rest
end

local SCHEMES = { http = true, https = true }

local function origin(written, authority, scheme, client_host)
    if written == "https" and scheme == "http" then
        return "https://" .. authority
    end
    return (written and scheme .. ":" or "") .. "//" .. client_host
end

-- `url` for a browser that requested `client_host` by `scheme`. URLs of other hosts are unchanged. A redirect from HTTP to HTTPS
-- is kept, but not one from HTTPS to HTTP.
function M.url(url, scheme, client_host, prefix)
    local written, authority, path = parts(url)
    if not authority then
        return string.sub(url, 1, 1) == "/" and with_prefix(url, prefix) or url
    elseif written and not SCHEMES[written] or not is_own(authority, client_host) then
        return url
    end
    return origin(written, authority, scheme, client_host) .. with_prefix(path == "" and "/" or path, prefix)
end

-- The header Refresh: seconds and a URL.
function M.refresh(value, scheme, client_host, prefix)
    return (string.gsub(value, "^(%s*%d*%s*[;,]%s*[uU][rR][lL]%s*=%s*['\"]?)([^'\"]*)", function(before, url)
        return before .. M.url(url, scheme, client_host, prefix)
    end))
end

function M.filter()
    informational.filter()
    local var, header = ngx.var, ngx.header
    if ngx.status ~= 101 then
        header["Upgrade"] = nil
    end
    local location, refresh = header["Location"], header["Refresh"]
    if type(location) == "string" then
        header["Location"] = M.url(location, var.scheme, var.flatnet_host, var.flatnet_prefix)
    end
    if type(refresh) == "string" then
        header["Refresh"] = M.refresh(refresh, var.scheme, var.flatnet_host, var.flatnet_prefix)
    end
end

return M
