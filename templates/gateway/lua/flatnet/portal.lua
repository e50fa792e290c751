-- The start page: every service with its link and how it is. Rendered here whole, so it needs no script to be read; the
-- script only fetches it again.
local accept = require("flatnet.accept")
local html = require("flatnet.html")
local texts = require("flatnet.texts")

local M = {}

local page

function M.start(settings)
    page = html.load(settings.prefix, "portal")
end

-- Where the browser reaches a route: by the scheme and port by which it reached this page. nil for a wildcard.
function M.url(host, path, scheme, http_host)
    if string.sub(host, 1, 1) == "*" then
        return nil
    elseif host == "" then
        return path
    end
    return scheme .. "://" .. host .. (string.match(http_host or "", ":%d+$") or "") .. path
end

local function links(route, via)
    local hosts = #route.hosts > 0 and route.hosts or { "" }
    local parts = {}
    for index, host in ipairs(hosts) do
        local path = route.path == "/" and "/" or route.path .. "/"
        local url = M.url(host, path, via.scheme, via.http_host)
        local shown = html.escape(host .. (route.path == "/" and "" or route.path))
        if url then
            parts[index] = string.format('<a href="%s">%s</a>', html.escape(url), shown)
        else
            parts[index] = "<span>" .. shown .. "</span>"
        end
    end
    return table.concat(parts, " ")
end

local function badge(word, text)
    return string.format('<span class="badge %s">%s</span>', html.escape(word), html.escape(text["word_" .. word] or word))
end

local function when(since, text)
    local shown = html.escape(since)
    return texts.fill(html.escape(text.since), { since = '<time datetime="' .. shown .. '">' .. shown .. "</time>" })
end

local function endpoint_of(endpoint, text)
    return string.format("<li>%s <code>%s:%d</code> %s <small>%s</small></li>", html.escape(endpoint.container),
        html.escape(endpoint.address), endpoint.port, badge(endpoint.health, text), when(endpoint.since, text))
end

local function route_of(route, text, via)
    local endpoints = {}
    for index, endpoint in ipairs(route.endpoints) do
        endpoints[index] = endpoint_of(endpoint, text)
    end
    return string.format('<article><h3>%s %s</h3><p class="links">%s</p><ul>%s</ul></article>', html.escape(route.name),
        badge(route.health, text), links(route, via), table.concat(endpoints))
end

local function unrouted_of(item, text)
    return string.format('<li class="%s">%s <code>%s</code> %s <small>%s</small></li>', item.warning and "warning" or "quiet",
        html.escape(item.container), html.escape(item.address), badge(item.state, text), html.escape(item.why))
end

local function section(title, items, make)
    if #items == 0 then
        return ""
    end
    local parts = {}
    for index, item in ipairs(items) do
        parts[index] = make(item)
    end
    return "<h2>" .. html.escape(title) .. '</h2><ul class="list">' .. table.concat(parts) .. "</ul>"
end

local function problem_of(model, text)
    local problem = model.problem
    if not problem then
        return ""
    end
    return '<p class="problem">' .. html.escape(texts.fill(text.problem, problem)) .. "</p>"
end

-- via: {language, scheme, http_host}, how the browser came here.
function M.render(model, via)
    local text = texts[via.language]
    local services = {}
    for index, route in ipairs(model.routes) do
        services[index] = route_of(route, text, via)
    end
    if #services == 0 then
        services[1] = "<p>" .. html.escape(text.none) .. "</p>"
    end
    return html.fill(page, {
        language = via.language,
        name = html.escape(model.name),
        title = html.escape(text.services),
        problem = problem_of(model, text),
        services = table.concat(services),
        conflicts = section(text.conflicts, model.conflicts, function(conflict)
            local url = conflict.host .. conflict.path
            return "<li>" .. html.escape(texts.fill(text.conflict,
                { url = url, winner = conflict.winner, route = conflict.route })) .. "</li>"
        end),
        unrouted = section(text.unrouted, model.unrouted, function(item) return unrouted_of(item, text) end),
        generation = model.source and html.escape(texts.fill(text.generation,
            { generation = tostring(model.generation), loaded = tostring(model.loaded) })) or "",
        version = html.escape(model.version),
    })
end

function M.send(model)
    ngx.header["Cache-Control"] = "no-store"
    ngx.header["Vary"] = "Accept-Language"
    html.send(M.render(model, {
        language = accept.language(ngx.var.http_accept_language),
        scheme = ngx.var.scheme,
        http_host = ngx.var.http_host,
    }))
    return ngx.exit(ngx.HTTP_OK)
end

return M
