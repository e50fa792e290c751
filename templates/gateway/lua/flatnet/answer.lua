-- What a container writes into its answer about itself is fitted to what the browser sees. For requests that are not the usual
-- ones: a stripped prefix, an upgrade, TLS towards the container.
local informational = require("flatnet.informational")

local M = {}

local DEFAULT = { [""] = true, ["80"] = true, ["443"] = true }

-- Whether an authority is the one that the client asked, or would be but for a usual port.
local function is_own(authority, told)
    local host, port = string.match(authority, "^(.-):?(%d*)$")
    local own_host, told_port = string.match(told, "^(.-):?(%d*)$")
    return string.lower(host) == string.lower(own_host) and (DEFAULT[port] or port == told_port)
end

local function with_prefix(path, prefix)
    local following = string.sub(path, #prefix + 1, #prefix + 1)
    if prefix == "" or string.sub(path, 1, #prefix) == prefix and (following == "" or string.find(following, "[/?#]")) then
        return path
    end
    return prefix .. (string.sub(path, 1, 1) == "/" and path or "/" .. path)
end

-- Scheme (none where it is the page's own), authority and the rest of a URL that has an authority.
local function parts(url)
    local scheme, authority, rest = string.match(url, "^(%a[%w+.-]*)://([^/?#]*)(.*)$")
    if not scheme then
        authority, rest = string.match(url, "^//([^/?#]*)(.*)$")
    end
    return scheme and string.lower(scheme), authority, rest
end

local SCHEMES = { http = true, https = true }

local function origin(written, authority, scheme, told)
    if written == "https" and scheme == "http" then
        return "https://" .. authority
    end
    return (written and scheme .. ":" or "") .. "//" .. told
end

-- `url` as the browser is to see it, which asked for `told` by `scheme`. Another host's stays as it is, and so does a way from
-- HTTP to HTTPS; a way back from there is not meant.
function M.url(url, scheme, told, prefix)
    local written, authority, path = parts(url)
    if not authority then
        return string.sub(url, 1, 1) == "/" and with_prefix(url, prefix) or url
    elseif written and not SCHEMES[written] or not is_own(authority, told) then
        return url
    end
    return origin(written, authority, scheme, told) .. with_prefix(path == "" and "/" or path, prefix)
end

-- The header Refresh: seconds, and where to.
function M.refresh(value, scheme, told, prefix)
    return (string.gsub(value, "^(%s*%d*%s*[;,]%s*[uU][rR][lL]%s*=%s*['\"]?)([^'\"]*)", function(before, url)
        return before .. M.url(url, scheme, told, prefix)
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
