-- The gateway's own names, where the portal and path routes without a host answer.
local M = {}

local own = {}

function M.start(settings)
    own = { localhost = true, [settings.name] = true }
    for _, domain in ipairs(settings.domains) do
        own[domain] = true
        own["portal." .. domain] = true
        own[settings.name .. "." .. domain] = true
    end
end

-- Any IP address counts as the gateway's own: a request by address is meant for the gateway.
function M.is_own(host)
    return own[host] or host == "" or string.find(host, "^%d+%.%d+%.%d+%.%d+$") ~= nil
        or string.sub(host, 1, 1) == "["
end

return M
