-- Negotiates the language and format of the gateway's answers.
local M = {}

-- The offer with the highest weight in the header; the first offer if the header names none of them.
local function best(header, offers, matches)
    local chosen, highest = offers[1], 0
    for item in string.gmatch(string.lower(header or ""), "[^,]+") do
        local name = string.match(item, "^%s*([^%s;]+)")
        local weight = tonumber(string.match(item, ";%s*q=([%d.]+)")) or 1
        for _, offer in ipairs(offers) do
            if name and weight > highest and matches(name, offer) then
                chosen, highest = offer, weight
            end
        end
    end
    return chosen
end

-- "en" or "ja".
function M.language(header)
    return best(header, { "en", "ja" }, function(name, offer)
        return name == offer or string.sub(name, 1, 3) == offer .. "-"
    end)
end

-- "application/json" or "text/html": programs that accept anything (curl) get JSON, browsers ask for HTML.
function M.form(header)
    return best(header, { "application/json", "text/html" }, function(name, offer)
        return name == offer
    end)
end

return M
