-- What came of the attempts that nginx made for this request, read from its own variables: "a, b : c" in the order made.
local M = {}

-- Methods that may be repeated after they were sent (RFC 9110, 9.2.2).
local IDEMPOTENT = { GET = true, HEAD = true, OPTIONS = true, PUT = true, DELETE = true, TRACE = true, PROPFIND = true }

-- More rounds than this for one request mean that the container comes and goes.
local MOST = 5

local function tokens(text)
    local list = {}
    for token in string.gmatch(text or "", "[^%s,]+") do
        if token ~= ":" then
            list[#list + 1] = token
        end
    end
    return list
end

M.tokens = tokens

-- The attempts so far, or nil if there was none: {count, sent = how often the request was sent, peer, connected, status}.
function M.read(var)
    local peers = tokens(var.upstream_addr)
    if #peers == 0 then
        return nil
    end
    local sent = 0
    for _, bytes in ipairs(tokens(var.upstream_bytes_sent)) do
        if (tonumber(bytes) or 0) > 0 then
            sent = sent + 1
        end
    end
    local times = tokens(var.upstream_connect_time)
    local states = tokens(var.upstream_status)
    return {
        count = #peers,
        sent = sent,
        peer = peers[#peers],
        connected = tonumber(times[#times]) ~= nil,
        status = tonumber(states[#states]),
    }
end

-- Once more only where that cannot do twice what was meant once.
function M.may_repeat(attempt, method, body_is_gone)
    if body_is_gone or attempt.count >= MOST then
        return false
    elseif attempt.connected and attempt.status == 504 then
        -- It accepted and is silent: it would be silent again.
        return false
    end
    return attempt.sent == 0 or (attempt.sent == 1 and IDEMPOTENT[method] == true)
end

return M
