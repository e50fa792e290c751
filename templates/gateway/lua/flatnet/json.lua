-- Encodes JSON. Debian's cjson cannot distinguish an empty list from an empty object, so lists are marked.
local cjson = require("cjson.safe")

local M = {}

local List = {}

function M.list(items)
    return setmetatable(items or {}, List)
end

-- Keys are sorted, so that answers can be compared.
local function keys(object)
    local sorted = {}
    for key in pairs(object) do
        sorted[#sorted + 1] = key
    end
    table.sort(sorted)
    return sorted
end

function M.encode(value)
    if type(value) ~= "table" then
        -- cjson writes / as \/, which is hard to read.
        return (string.gsub(cjson.encode(value), "\\/", "/"))
    end
    local parts = {}
    if getmetatable(value) == List then
        for index, item in ipairs(value) do
            parts[index] = M.encode(item)
        end
        return "[" .. table.concat(parts, ",") .. "]"
    end
    for index, key in ipairs(keys(value)) do
        parts[index] = cjson.encode(key) .. ":" .. M.encode(value[key])
    end
    return "{" .. table.concat(parts, ",") .. "}"
end

return M
