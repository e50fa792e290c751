-- The results of nginx's attempts for this request, parsed from its variables: "a, b : c" in order.
local M = {}

-- Idempotent methods, which may be repeated after they were sent (RFC 9110, 9.2.2).
local IDEMPOTENT = { GET = true, HEAD = true, OPTIONS = true, PUT = true, DELETE = true, TRACE = true, PROPFIND = true }

-- The limit of rounds for one request; nginx itself stops at ten internal redirects.
local MOST = 5

-- The value of `proxy_buffer_size`: nginx rejects larger headers.
local BUFFER = 65536

local function tokens(text)
    local list = {}
    for token in string.gmatch(text or "", "[^%s,:]+[^%s,]*") do
        list[#list + 1] = token
    end
    return list
end

-- The number of rounds, and in how many of them the request was sent. In one round nginx may try several kept connections that
-- the container has closed.
local function count_rounds(bytes)
    local rounds, sent = 0, 0
    for round in string.gmatch((bytes or "") .. " : ", "(.-) : ") do
        rounds = rounds + 1
        if string.find(round, "[1-9]") then
            sent = sent + 1
        end
    end
    return rounds, sent
end

-- The attempts so far, or nil: {rounds, sent = number of rounds in which the request was sent, peer, connected, status,
-- is_too_large = whether the last answer's headers filled the buffer}.
function M.read(var)
    local peers = tokens(var.upstream_addr)
    if #peers == 0 then
        return nil
    end
    local rounds, sent = count_rounds(var.upstream_bytes_sent)
    local times = tokens(var.upstream_connect_time)
    local states = tokens(var.upstream_status)
    local received = tokens(var.upstream_bytes_received)
    return {
        rounds = rounds,
        sent = sent,
        peer = peers[#peers],
        connected = tonumber(times[#times]) ~= nil,
        status = tonumber(states[#states]),
        is_too_large = tonumber(states[#states]) == 502 and (tonumber(received[#received]) or 0) >= BUFFER,
    }
end

function M.is_idempotent(method)
    return IDEMPOTENT[method] == true
end

-- Whether the request may be repeated without the risk of executing it twice.
function M.may_repeat(attempt, method, body_is_gone)
    if body_is_gone or attempt.is_too_large or attempt.rounds >= MOST then
        return false
    elseif attempt.connected and attempt.status == 504 then
        -- It accepted but did not answer in time: it would not the next time either.
        return false
    end
    return attempt.sent == 0 or (attempt.sent == 1 and M.is_idempotent(method))
end

return M
