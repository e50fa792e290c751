-- Whole files. "rb" and "wb": on Windows the other modes translate line ends.
local M = {}

-- The content without a byte order mark, or nil and why not.
function M.read(path)
    local file, why = io.open(path, "rb")
    if not file then
        return nil, why
    end
    -- A directory opens on Linux, and cannot be read.
    local content, problem = file:read("*a")
    file:close()
    if not content or content == "" then
        return nil, path .. ": " .. (problem or "the file is empty")
    end
    if string.sub(content, 1, 3) == "\239\187\191" then
        content = string.sub(content, 4)
    end
    return content
end

-- Replaces a file in one step; true, or nil and why not.
function M.replace(path, content)
    local temporary = path .. ".new"
    local file, why = io.open(temporary, "wb")
    if not file then
        return nil, why
    end
    local written, problem = file:write(content)
    -- A full disk may show only when the buffer is flushed.
    local closed, late = file:close()
    if not written or not closed then
        return nil, problem or late
    end
    local renamed, refused = os.rename(temporary, path)
    if not renamed then
        -- On Windows rename does not replace. A torn or missing copy is noticed by who reads it.
        os.remove(path)
        renamed, refused = os.rename(temporary, path)
    end
    return renamed, refused
end

return M
