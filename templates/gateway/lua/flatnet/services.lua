-- The services on the portal: a card for each, and how many are in which state.
local html = require("flatnet.html")
local texts = require("flatnet.texts")

local M = {}

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

-- The browser shows times as its user writes them (portal.js).
function M.time(text, name, values)
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
    return string.format('<article id="route-%s"><h2>%s %s</h2><p class="links">%s</p><ul>%s</ul></article>', name, name,
        M.badge(route.health, text), links(route, via, lost), table.concat(endpoints))
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

-- All cards. via: {language, scheme, http_host}, how the browser came here.
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
