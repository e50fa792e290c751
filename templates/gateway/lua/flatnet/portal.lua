-- The start page: every service with its link and state. It is rendered completely here and readable without scripts; the script
-- only refreshes it.
local html = require("flatnet.html")
local negotiation = require("flatnet.negotiation")
local services = require("flatnet.services")
local texts = require("flatnet.texts")

local M = {}

local page

function M.start(settings)
    page = html.load(settings.prefix, "portal")
end

-- Why a container has no route: translated, or the English sentence from the routes table.
local function why_of(item, text, sentences)
    local sentence = sentences[item.reason]
    if not sentence then
        return '<small lang="en">' .. html.escape(item.why) .. "</small>"
    end
    local facts = setmetatable({ state = text["word_" .. item.state] }, { __index = item.facts })
    return "<small>" .. html.escape(texts.fill(sentence, facts)) .. "</small>"
end

local function unrouted_of(item, text, sentences)
    local class = item.warning and "warning" or "quiet"
    local host = item.host and " <small>" .. html.escape(texts.fill(text.host, { number = item.host })) .. "</small>" or ""
    return string.format('<li class="%s">%s%s <code>%s</code> %s %s</li>', class, html.escape(item.container), host,
        html.escape(item.address), services.badge(item.state, text), why_of(item, text, sentences))
end

-- The gateway's own host and the others, by number.
local function hosts_of(model)
    local hosts = {}
    for index, host in ipairs(model.other_hosts or {}) do
        hosts[index] = host
    end
    if #hosts > 0 then
        hosts[#hosts + 1] = { number = model.host_number or 0, name = model.name, is_own = true }
    end
    table.sort(hosts, function(one, other) return one.number < other.number end)
    return hosts
end

local function host_of(host, text)
    local number = html.escape(texts.fill(text.host, { number = host.number }))
    if host.is_own then
        return string.format("<li>%s %s <small>%s</small></li>", number, html.escape(host.name), html.escape(text.own_host))
    end
    return string.format('<li class="%s">%s %s <code>%s</code> %s <small>%s</small></li>', host.answers and "quiet" or "warning",
        number, html.escape(host.name), html.escape(host.subnet), services.badge(host.answers and "answers" or "away", text),
        services.time(text.since, "since", { since = host.since }))
end

-- A route's name, with its host if there are several.
local function titled(name, number, text)
    return number and texts.fill(text.of_host, { route = name, number = number }) or name
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
    return '<p class="problem">' .. services.time(text.problem, "since", problem) .. "</p>"
end

local function list_of(model, text)
    if not model.source then
        return ""
    end
    return services.time(text.generation, "loaded", { generation = model.generation, loaded = model.loaded })
end

-- via: {language, scheme, http_host} of the browser's request.
function M.render(model, via)
    local text = texts[via.language]
    local cards = services.cards(model, text, via)
    return html.fill(page, {
        language = via.language,
        name = html.escape(model.name),
        title = html.escape(text.services),
        away = html.escape(text.away),
        problem = problem_of(model, text),
        summary = services.summary(model.routes, text),
        services = cards ~= "" and cards or '<p id="none">' .. html.mark(text.none) .. "</p>",
        hosts = section(text.hosts, hosts_of(model), function(host) return host_of(host, text) end),
        conflicts = section(text.conflicts, model.conflicts, function(conflict)
            return "<li>" .. html.escape(texts.fill(text.conflict, {
                url = conflict.host .. conflict.path,
                winner = titled(conflict.winner, conflict.winner_host, text),
                route = titled(conflict.route, conflict.route_host, text),
            })) .. "</li>"
        end),
        unrouted = section(text.unrouted, warnings_first(model.unrouted), function(item)
            return unrouted_of(item, text, texts.why[via.language])
        end),
        generation = list_of(model, text),
        version = html.escape(model.version),
    })
end

function M.send(model)
    ngx.header["Cache-Control"] = "no-store"
    ngx.header["Vary"] = "Accept-Language"
    html.send(M.render(model, {
        language = negotiation.language(ngx.var.http_accept_language),
        scheme = ngx.var.scheme,
        http_host = ngx.var.http_host,
    }))
    return ngx.exit(ngx.HTTP_OK)
end

return M
