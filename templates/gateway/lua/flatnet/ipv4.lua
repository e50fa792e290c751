-- IPv4 addresses and networks, as numbers: plain arithmetic, since a 32-bit address fits a Lua number.
local M = {}

-- "10.87.1.2" -> 173474050, or nil.
function M.number(text)
    local a, b, c, d = string.match(text, "^(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)$")
    a, b, c, d = tonumber(a), tonumber(b), tonumber(c), tonumber(d)
    if not a or a > 255 or b > 255 or c > 255 or d > 255 then
        return nil
    end
    return ((a * 256 + b) * 256 + c) * 256 + d
end

-- "10.87.0.0/16" -> {first = .., last = ..}, or nil.
function M.network(text)
    local address, length = string.match(text, "^([%d.]+)/(%d%d?)$")
    local number = address and M.number(address)
    length = tonumber(length)
    if not number or length > 32 then
        return nil
    end
    local size = 2 ^ (32 - length)
    local first = math.floor(number / size) * size
    return { first = first, last = first + size - 1 }
end

function M.within(number, networks)
    for _, network in ipairs(networks) do
        if number >= network.first and number <= network.last then
            return true
        end
    end
    return false
end

return M
