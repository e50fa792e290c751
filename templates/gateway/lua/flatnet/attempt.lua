-- What came of the attempts that nginx made for this request, read from its own variables: "a, b : c" in the order made.
local M = {}

-- Methods that may be repeated after they were sent (RFC 9110, 9.2.2).
local IDEMPOTENT = { GET = true, HEAD = true, OPTIONS = true, PUT = true, DELETE = true, TRACE = true, PROPFIND = true }

-- More rounds than this for one request mean that the container comes and goes; nginx itself ends it at ten.
local MOST = 5

-- As `proxy_buffer_size`: headers that fill it are refused by nginx itself.
local BUFFER = 65536

local function tokens(text)
    local list = {}
    for token in string.gmatch(text or "", "[^%s,:]+[^%s,]*") do
        list[#list + 1] = token
    end
    return list
end

-- Rounds, and in how many of them the request was sent. Within a round nginx itself may take several connections that it had
-- kept, all of which the container had closed by then.
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

-- The attempts so far, or nil if there was none: {rounds, sent = in how many of them, peer, connected, status, is_too_large =
-- whether the headers of the last answer filled the buffer}.
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

-- Once more only where that cannot do twice what was meant once.
function M.may_repeat(attempt, method, body_is_gone)
    if body_is_gone or attempt.is_too_large or attempt.rounds >= MOST then
        return false
    elseif attempt.connected and attempt.status == 504 then
        -- It accepted and is silent: it would be silent again.
        return false
    end
    return attempt.sent == 0 or (attempt.sent == 1 and M.is_idempotent(method))
end

return M
