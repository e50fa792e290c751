-- Checks whether a text is valid UTF-8. It runs for every request, mostly on the same texts, so results are cached.
local M = {}

-- Multi-byte characters (RFC 3629, section 4).
local CHARACTERS = {
    "[\194-\223][\128-\191]",
    "\224[\160-\191][\128-\191]",
    "[\225-\236\238\239][\128-\191][\128-\191]",
    "\237[\128-\159][\128-\191]",
    "\240[\144-\191][\128-\191][\128-\191]",
    "[\241-\243][\128-\191][\128-\191][\128-\191]",
    "\244[\128-\143][\128-\191][\128-\191]",
}
local NOT_ASCII = "[\128-\255]"

-- Limits of the cache, since clients choose the texts.
local MOST, LONGEST = 1000, 512

local known, count = {}, 0

local function look(text)
    if not string.find(text, NOT_ASCII) then
        return true
    end
    for _, character in ipairs(CHARACTERS) do
        -- Replace by a blank, so that the bytes around it do not combine to a character.
        text = string.gsub(text, character, " ")
    end
    return not string.find(text, NOT_ASCII)
end

local function remember(text, is_valid)
    if count >= MOST then
        known, count = {}, 0
    end
    known[text], count = is_valid, count + 1
end

-- A missing text is valid.
function M.is_valid(text)
    if text == nil then
        return true
    end
    local is_valid = known[text]
    if is_valid == nil then
        is_valid = look(text)
        if #text <= LONGEST then
            remember(text, is_valid)
        end
    end
    return is_valid
end

return M
