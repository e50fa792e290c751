-- The services on the portal: a card for each, and a count by state.
local html = require("flatnet.html")
local texts = require("flatnet.texts")

local M = {}

-- The URL of a route, with the scheme and port of this page; nil for a wildcard.
function M.url(host, path, scheme, http_host)
    if string.sub(host, 1, 1) == "*" then
        return nil
    elseif host == "" then
        return path
    end
    return scheme .. "://" .. host .. (string.match(http_host or "", ":%d+$") or "") .. path
end

-- Links to the hosts of a route. A host that another route has taken is not a link.
local function links(route, via, lost)
    local hosts = #route.hosts > 0 and route.hosts or { "" }
    local parts = {}
    for index, host in ipairs(hosts) do
        local path = route.path == "/" and "/" or route.path .. "/"
        local url = M.url(host, path, via.scheme, via.http_host)
        local shown = html.escape(host .. (route.path == "/" and "" or route.path))
        if lost[route.name .. " " .. host] then
            parts[index] = "<s>" .. shown .. "</s>"
        elseif url then
            parts[index] = string.format('<a href="%s">%s</a>', html.escape(url), shown)
        else
            parts[index] = "<span>" .. shown .. "</span>"
        end
    end
    return table.concat(parts, " ")
end

function M.badge(word, text)
    return string.format('<span class="badge %s">%s</span>', html.escape(word), html.escape(text["word_" .. word] or word))
end

-- The browser shows times in the user's format (portal.js).
function M.time(text, name, values)
    local shown = html.escape(values[name])
    local escaped = {}
    for key, value in pairs(values) do
        escaped[key] = html.escape(value)
    end
    escaped[name] = '<time datetime="' .. shown .. '">' .. shown .. "</time>"
    return texts.fill(html.escape(text), escaped)
end

-- If a route has one container, its name and state are those of the route and are not repeated.
local function endpoint_of(endpoint, route, text)
    local is_alone = #route.endpoints == 1
    local name = is_alone and endpoint.container == route.name and "" or html.escape(endpoint.container) .. " "
    local state = is_alone and "" or " " .. M.badge(endpoint.health, text)
    return string.format("<li><span>%s<code>%s:%d</code>%s</span> <small>%s</small></li>", name, html.escape(endpoint.address),
        endpoint.port, state, M.time(text.since, "since", { since = endpoint.since }))
end

local function card(route, text, via, lost)
    local endpoints = {}
    for index, endpoint in ipairs(route.endpoints) do
        endpoints[index] = endpoint_of(endpoint, route, text)
    end
    local name = html.escape(route.name)
    local host = route.host and " <small>" .. html.escape(texts.fill(text.host, { number = route.host })) .. "</small>" or ""
    return string.format('<article id="route-%s"><h2>%s%s %s</h2><p class="links">%s</p><ul>%s</ul></article>', name, name, host,
        M.badge(route.health, text), links(route, via, lost), table.concat(endpoints))
end

-- Sorted by name. The order of the routes table decides conflicts instead.
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

-- The number of services by state, good ones first.
local WORDS = { "up", "unchecked", "restarting", "paused", "stopped", "unhealthy", "down", "no_endpoint" }

function M.summary(routes, text)
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

-- All cards. via: {language, scheme, http_host} of the browser's request.
function M.cards(model, text, via)
    local cards, lost = {}, {}
    for _, conflict in ipairs(model.conflicts) do
        lost[conflict.route .. " " .. conflict.host] = true
    end
    for index, route in ipairs(by_name(model.routes)) do
        cards[index] = card(route, text, via, lost)
    end
    return table.concat(cards)
end

return M
