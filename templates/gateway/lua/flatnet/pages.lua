-- Error pages: what is wrong, which container, what to do. In HTML or JSON, English or Japanese.
local health = require("flatnet.health")
local html = require("flatnet.html")
local json = require("flatnet.json")
local negotiation = require("flatnet.negotiation")
local texts = require("flatnet.texts")

local M = {}

local page

-- Temporary reasons: the page retries, and programs get Retry-After.
local PASSING = { no_routes = true, stopped = true, paused = true, restarting = true, down = true, unhealthy = true,
    unchecked = true, no_endpoint = true, host_away = true }
-- The page also retries for these: a container that is created again is missing for a moment.
local AGAIN = { unknown_host = "back_unknown" }

-- Reasons of which a host that does not answer is the likely cause: what is known of its containers is what it said last.
local OF_HOST = { stopped = true, paused = true, restarting = true, down = true, unhealthy = true, unchecked = true }

function M.start(settings)
    page = html.load(settings.prefix, "error")
end

-- A gRPC client reads the status from the headers if the stream ends with them, hence the length of 0.
local function send_grpc(title)
    ngx.status = 200
    ngx.header["Content-Type"] = "application/grpc"
    ngx.header["Content-Length"] = 0
    ngx.header["grpc-status"] = "14"
    ngx.header["grpc-message"] = string.gsub(title, "[^%w .,:-]", ngx.escape_uri)
    ngx.send_headers()
end

local function send_json(status, reason, values, words)
    local route = values.route_object
    ngx.header["Content-Type"] = "application/json; charset=utf-8"
    ngx.say(json.encode({
        status = status, reason = reason, title = words.title, what = words.what, todo = words.todo,
        route = route and route.name or nil, host = values.other_number, container = values.container, state = values.state,
        request_id = ngx.var.flatnet_request_id,
    }))
end

local function without_marks(text)
    return (string.gsub(text, "`", ""))
end

local function escape_all(values)
    local escaped = {}
    for name, value in pairs(values) do
        escaped[name] = html.escape(value)
    end
    return escaped
end

local function send_html(status, reason, words, language)
    local text = texts[language]
    local again = PASSING[reason] and text.back or text[AGAIN[reason]]
    html.send(html.fill(page, {
        language = language,
        status = status,
        reason = reason,
        title = words.title,
        what = words.what,
        todo = words.todo,
        again = again and '<p class="again">' .. html.escape(again) .. "</p>" or "",
        start_url = html.escape(M.start_url()),
        start_page = html.escape(text.start_page),
        request = html.escape(text.request),
        request_id = html.escape(ngx.var.flatnet_request_id),
    }))
end

-- The gateway's URL by its address, which works without DNS.
function M.start_url()
    local port = ngx.var.server_port
    local address = ngx.var.server_addr
    if string.find(address, ":", 1, true) then
        address = "[" .. address .. "]"
    end
    local usual = ngx.var.scheme == "https" and "443" or "80"
    return ngx.var.scheme .. "://" .. address .. (port == usual and "" or ":" .. port) .. "/"
end

local function values_of(facts)
    local route, endpoint = facts.route, facts.endpoint
    local values = { host = facts.host, path = facts.path, client = ngx.var.remote_addr }
    if route then
        values.route_object, values.route = route, route.name
        values.container = endpoint and endpoint.container or route.name
        values.health_path = route.health and route.health.path
        local other = route.other_host
        if other then
            values.other_number, values.other_name, values.other_since = other.number, other.name, other.since
        end
    end
    if endpoint then
        values.port, values.state = endpoint.port, endpoint.state
    end
    return values
end

local function words_of(text, reason, values, prepare)
    local words = {}
    for part, key in pairs({ title = reason, what = reason .. "_what", todo = reason .. "_todo" }) do
        words[part] = texts.fill(prepare(text[key]), values)
    end
    return words
end

-- facts: those of {route, endpoint, host, path} that apply to `reason`, which selects the texts. Ends the request.
function M.refuse(status, reason, facts)
    local other = facts.route and facts.route.other_host
    if other and not other.answers and OF_HOST[reason] then
        reason = "host_away"
    end
    local language = negotiation.language(ngx.var.http_accept_language)
    local values = values_of(facts)
    local text = texts[language]
    ngx.status = status
    ngx.header["X-Flatnet-Error"] = reason
    ngx.header["Cache-Control"] = "no-store"
    ngx.header["Vary"] = "Accept, Accept-Language"
    if PASSING[reason] then
        ngx.header["Retry-After"] = "2"
    end
    if string.find(ngx.var.content_type or "", "^application/grpc") then
        send_grpc(texts.fill(text[reason], values))
    elseif negotiation.form(ngx.var.http_accept) == "text/html" then
        send_html(status, reason, words_of(text, reason, escape_all(values), html.mark), language)
    else
        send_json(status, reason, values, words_of(text, reason, values, without_marks))
    end
    return ngx.exit(ngx.HTTP_OK)
end

-- No endpoint of this route is usable. The page describes the one that is closest to being usable.
function M.unavailable(route)
    local order = { "unchecked", "unhealthy", "down", "restarting", "paused", "stopped" }
    for _, reason in ipairs(order) do
        for _, endpoint in ipairs(route.endpoints) do
            local word = health.word(endpoint)
            if word == reason and (reason ~= "unchecked" or endpoint.health) then
                return M.refuse(503, reason, { route = route, endpoint = endpoint })
            end
        end
    end
    -- It has just recovered: the client will notice when it retries.
    local endpoint = route.endpoints[1]
    return M.refuse(503, endpoint and "restarting" or "no_endpoint", { route = route, endpoint = endpoint })
end

return M
