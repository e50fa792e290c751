-- What came of the attempts that nginx made for this request, read from its own variables: "a, b : c" in the order made.
local M = {}

-- Methods that may be repeated after they were sent (RFC 9110, 9.2.2).
local IDEMPOTENT = { GET = true, HEAD = true, OPTIONS = true, PUT = true, DELETE = true, TRACE = true, PROPFIND = true }

-- More refused connections than this for one request mean that the container comes and goes.
local MOST = 5

local function tokens(text)
    local list = {}
    for token in string.gmatch(text or "", "[^%s,:]+[^%s,]*") do
        list[#list + 1] = token
    end
    return list
end

-- In how many rounds the request was sent. Within a round nginx itself may take several connections that it had kept, all
-- of which the container had closed by then.
local function rounds_sent(bytes)
    local count = 0
    for round in string.gmatch((bytes or "") .. " : ", "(.-) : ") do
        if string.find(round, "[1-9]") then
            count = count + 1
        end
    end
    return count
end

-- The attempts so far, or nil if there was none: {count, sent = in how many rounds, peer, connected, status}.
function M.read(var)
    local peers = tokens(var.upstream_addr)
    if #peers == 0 then
        return nil
    end
    local times = tokens(var.upstream_connect_time)
    local states = tokens(var.upstream_status)
    return {
        count = #peers,
        sent = rounds_sent(var.upstream_bytes_sent),
        peer = peers[#peers],
        connected = tonumber(times[#times]) ~= nil,
        status = tonumber(states[#states]),
    }
end

-- Once more only where that cannot do twice what was meant once.
function M.may_repeat(attempt, method, body_is_gone)
    if body_is_gone then
        return false
    elseif attempt.connected and attempt.status == 504 then
        -- It accepted and is silent: it would be silent again.
        return false
    elseif attempt.sent == 0 then
        return attempt.count < MOST
    end
    return attempt.sent == 1 and IDEMPOTENT[method] == true
end

return M
