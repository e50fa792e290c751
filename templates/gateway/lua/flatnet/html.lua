-- Text -> HTML, and the gateway's pages with style and script inside: one answer, nothing else to fetch.
local file = require("flatnet.file")

local M = {}

local ESCAPES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

function M.escape(text)
    return (string.gsub(tostring(text), "[&<>\"']", ESCAPES))
end

-- The same for texts of ours, in which `this` is to be typed.
function M.mark(text)
    return (string.gsub(M.escape(text), "`([^`]*)`", "<code>%1</code>"))
end

-- {{name}} -> values.name, which must be HTML by then. A name that is not given is our own mistake.
function M.fill(page, values)
    return (string.gsub(page, "{{([%w_]+)}}", function(name)
        return values[name] or error("flatnet: the page has no value for " .. name)
    end))
end

-- Reads html/<name>.html with style.css and <name>.js put in.
function M.load(prefix, name)
    local function read(path)
        local content, why = file.read(prefix .. "html/" .. path)
        return content or error("flatnet: " .. why, 0)
    end
    local parts = { style = read("style.css"), script = read(name .. ".js") }
    return (string.gsub(read(name .. ".html"), "{{([%w_]+)}}", function(part) return parts[part] end))
end

-- Nothing is loaded from anywhere, and what is inside may ask this host only.
function M.send(page)
    ngx.header["Content-Type"] = "text/html; charset=utf-8"
    ngx.header["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
        .. "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ngx.header["X-Content-Type-Options"] = "nosniff"
    ngx.header["Content-Length"] = #page
    ngx.print(page)
end

return M
