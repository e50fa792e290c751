-- Escapes HTML, and renders the gateway's pages with inline style and script, so that nothing else must be fetched.
local file = require("flatnet.file")

local M = {}

local ESCAPES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

function M.escape(text)
    return (string.gsub(tostring(text), "[&<>\"']", ESCAPES))
end

-- The same for our texts, with `this` as code.
function M.mark(text)
    return (string.gsub(M.escape(text), "`([^`]*)`", "<code>%1</code>"))
end

-- Replaces {{name}} by values.name, which must be HTML. A missing value is a bug.
function M.fill(page, values)
    return (string.gsub(page, "{{([%w_]+)}}", function(name)
        return values[name] or error("flatnet: the page has no value for " .. name)
    end))
end

-- Reads html/<name>.html and inserts style.css and <name>.js.
function M.load(prefix, name)
    local function read(path)
        local content, why = file.read(prefix .. "html/" .. path)
        return content or error("flatnet: " .. why, 0)
    end
    local parts = { style = read("style.css"), script = read(name .. ".js") }
    return (string.gsub(read(name .. ".html"), "{{([%w_]+)}}", function(part) return parts[part] end))
end

-- The policy allows no external resources; scripts may connect to this host only.
function M.send(page)
    ngx.header["Content-Type"] = "text/html; charset=utf-8"
    ngx.header["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
        .. "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ngx.header["X-Content-Type-Options"] = "nosniff"
    ngx.header["Content-Length"] = #page
    ngx.print(page)
end

return M
