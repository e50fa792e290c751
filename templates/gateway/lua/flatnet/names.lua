-- The gateway's own names: where the portal answers, and path routes that name no host.
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

-- Any address counts as ours: a request that came here by an address was meant for the gateway.
function M.is_own(host)
    return own[host] or host == "" or string.find(host, "^%d+%.%d+%.%d+%.%d+$") ~= nil
        or string.sub(host, 1, 1) == "["
end

return M
