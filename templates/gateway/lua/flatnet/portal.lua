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

-- A host that another route got first leads there, so it is no link here.
local function links(route, via)
    local hosts = #route.hosts > 0 and route.hosts or { "" }
    local parts = {}
    for index, host in ipairs(hosts) do
        local path = route.path == "/" and "/" or route.path .. "/"
        local url = M.url(host, path, via.scheme, via.http_host)
        local shown = html.escape(host .. (route.path == "/" and "" or route.path))
        if via.lost[route.name .. " " .. host] then
            parts[index] = "<s>" .. shown .. "</s>"
        elseif url then
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

-- The browser shows times as its user writes them (portal.js).
local function time(text, name, values)
    local shown = html.escape(values[name])
    local escaped = {}
    for key, value in pairs(values) do
        escaped[key] = html.escape(value)
    end
    escaped[name] = '<time datetime="' .. shown .. '">' .. shown .. "</time>"
    return texts.fill(html.escape(text), escaped)
end

-- Where a route has one container, as most have, its name and state are those of the route: they are not said twice.
local function endpoint_of(endpoint, route, text)
    local is_alone = #route.endpoints == 1
    local name = is_alone and endpoint.container == route.name and "" or html.escape(endpoint.container) .. " "
    local state = is_alone and "" or " " .. badge(endpoint.health, text)
    return string.format("<li><span>%s<code>%s:%d</code>%s</span> <small>%s</small></li>", name, html.escape(endpoint.address),
        endpoint.port, state, time(text.since, "since", { since = endpoint.since }))
end

local function route_of(route, text, via)
    local endpoints = {}
    for index, endpoint in ipairs(route.endpoints) do
        endpoints[index] = endpoint_of(endpoint, route, text)
    end
    local name = html.escape(route.name)
    return string.format('<article id="route-%s"><h2>%s %s</h2><p class="links">%s</p><ul>%s</ul></article>', name, name,
        badge(route.health, text), links(route, via), table.concat(endpoints))
end

-- Not in the order of the list, by which conflicts are decided.
local function by_name(routes)
    local sorted = {}
    for index, route in ipairs(routes) do
        sorted[index] = route
    end
    table.sort(sorted, function(one, other)
        local first, second = string.lower(one.name), string.lower(other.name)
        return first < second or first == second and one.name < other.name
    end)
    return sorted
end

-- How many services are in which state, good ones first.
local WORDS = { "up", "unchecked", "restarting", "paused", "stopped", "unhealthy", "down", "no_endpoint" }

local function summary_of(routes, text)
    local counts, parts = {}, {}
    for _, route in ipairs(routes) do
        counts[route.health] = (counts[route.health] or 0) + 1
    end
    for _, word in ipairs(WORDS) do
        if counts[word] then
            local values = { count = counts[word], word = text["word_" .. word] }
            parts[#parts + 1] = string.format('<span class="badge %s">%s</span>', word,
                html.escape(texts.fill(text.count, values)))
        end
    end
    return table.concat(parts, " ")
end

local function unrouted_of(item, text)
    local class = item.warning and "warning" or "quiet"
    return string.format('<li class="%s">%s <code>%s</code> %s <small lang="en">%s</small></li>', class,
        html.escape(item.container), html.escape(item.address), badge(item.state, text), html.escape(item.why))
end

local function warnings_first(items)
    local sorted = {}
    for _, wanted in ipairs({ true, false }) do
        for _, item in ipairs(items) do
            if (item.warning or false) == wanted then
                sorted[#sorted + 1] = item
            end
        end
    end
    return sorted
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
    return '<p class="problem">' .. time(text.problem, "since", problem) .. "</p>"
end

-- via: {language, scheme, http_host}, how the browser came here.
function M.render(model, via)
    local text = texts[via.language]
    local services = {}
    via.lost = {}
    for _, conflict in ipairs(model.conflicts) do
        via.lost[conflict.route .. " " .. conflict.host] = true
    end
    for index, route in ipairs(by_name(model.routes)) do
        services[index] = route_of(route, text, via)
    end
    if #services == 0 then
        services[1] = '<p id="none">' .. html.mark(text.none) .. "</p>"
    end
    return html.fill(page, {
        language = via.language,
        name = html.escape(model.name),
        title = html.escape(text.services),
        away = html.escape(text.away),
        problem = problem_of(model, text),
        summary = summary_of(model.routes, text),
        services = table.concat(services),
        conflicts = section(text.conflicts, model.conflicts, function(conflict)
            local url = conflict.host .. conflict.path
            return "<li>" .. html.escape(texts.fill(text.conflict,
                { url = url, winner = conflict.winner, route = conflict.route })) .. "</li>"
        end),
        unrouted = section(text.unrouted, warnings_first(model.unrouted), function(item) return unrouted_of(item, text) end),
        generation = model.source and time(text.generation, "loaded", { generation = model.generation, loaded = model.loaded })
            or "",
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
