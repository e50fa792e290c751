-- Reads and replaces whole files. "rb" and "wb", because on Windows the other modes translate line ends.
local M = {}

-- File modes have no effect on Windows, and specs may run without FFI.
local has_ffi, ffi = pcall(require, "ffi")
local has_modes = has_ffi and ffi.os ~= "Windows"
if has_modes then
    ffi.cdef("int chmod(const char *path, unsigned int mode);")
end

-- 0640: nginx runs with umask 0, which would make the file world-writable.
local function close_to_others(path)
    return not has_modes or ffi.C.chmod(path, 416) == 0
end

-- The content without a byte order mark, or nil and the error.
function M.read(path)
    local file, why = io.open(path, "rb")
    if not file then
        return nil, why
    end
    -- On Linux a directory can be opened but not read.
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

-- Replaces a file atomically; returns true, or nil and the error.
function M.replace(path, content)
    local temporary = path .. ".new"
    local file, why = io.open(temporary, "wb")
    if not file then
        return nil, why
    end
    if not close_to_others(temporary) then
        file:close()
        return nil, temporary .. ": cannot set the file mode"
    end
    local written, problem = file:write(content)
    -- A full disk may be reported only when the buffer is flushed.
    local closed, late = file:close()
    if not written or not closed then
        return nil, problem or late
    end
    local renamed, refused = os.rename(temporary, path)
    if not renamed then
        -- On Windows rename does not replace. Readers detect an incomplete or missing copy.
        os.remove(path)
        renamed, refused = os.rename(temporary, path)
    end
    return renamed, refused
end

return M
