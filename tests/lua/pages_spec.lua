local cjson = require("cjson.safe")
local fixture = require("fixture")
local health = require("flatnet.health")
local pages = require("flatnet.pages")

describe("error pages", function()
    pages.start({ prefix = "templates/gateway/" })
    before_each(function()
        ngx.reset()
        ngx.var = { remote_addr = "192.168.7.2", server_addr = "192.168.7.1", server_port = "80", scheme = "http",
            flatnet_request_id = "4711" }
    end)

    local function route(state, changes)
        local made = fixture.route(changes)
        made.endpoints = { fixture.endpoint({ state = state, container = "<web>" }) }
        return fixture.table({ made }).routes[1]
    end

    it("are JSON for programs", function()
        pages.refuse(503, "stopped", { route = route("stopped"), endpoint = route("stopped").endpoints[1] })
        local said = cjson.decode(ngx.sent[1])
        assert.same({ 503, "stopped", "web", "<web>", "stopped", "4711" },
            { said.status, said.reason, said.route, said.container, said.state, said.request_id })
        assert.equal(503, ngx.status)
        assert.equal("no-store", ngx.header["Cache-Control"])
        assert.equal("2", ngx.header["Retry-After"])
    end)

    it("are HTML for browsers, escaped, and look again only for what passes", function()
        ngx.var.http_accept = "text/html"
        pages.refuse(503, "stopped", { route = route("stopped"), endpoint = route("stopped").endpoints[1] })
        assert.matches("podman start &lt;web&gt;", ngx.sent[1], 1, true)
        assert.matches('class="again"', ngx.sent[1], 1, true)
        ngx.sent = {}
        pages.refuse(403, "forbidden", {})
        assert.is_nil(string.find(ngx.sent[1], 'class="again"', 1, true))
        assert.matches('href="http://192.168.7.1/"', ngx.sent[1], 1, true)
        ngx.sent, ngx.header = {}, {}
        pages.refuse(404, "unknown_host", { host = "x.local" })
        assert.matches("when the service is available", ngx.sent[1], 1, true)
        assert.is_nil(ngx.header["Retry-After"])
    end)

    it("have a text for every reason in both languages, with all filled in", function()
        for _, language in ipairs({ "en", "ja" }) do
            ngx.var.http_accept_language = language
            for _, reason in ipairs({ "no_routes", "unknown_host", "unknown_path", "forbidden", "stopped", "paused",
                "restarting", "down", "unhealthy", "unchecked", "no_endpoint",
                "broke_off", "timed_out", "headers_too_large", "host_away" }) do
                ngx.sent = {}
                local of = route("running", { health = { path = "/healthz" } })
                of.other_host = { number = 2, name = "lab", since = "2026-11-30T10:00:00Z", answers = true }
                pages.refuse(500, reason, { route = of, endpoint = of.endpoints[1], host = "x", path = "/x" })
                assert.is_nil(string.find(ngx.sent[1], "{[%w_]+}"), ngx.sent[1])
            end
        end
    end)

    it("answer gRPC clients in their own way", function()
        ngx.var.content_type = "application/grpc+proto"
        pages.refuse(503, "down", { route = route("running"), endpoint = route("running").endpoints[1] })
        local header = ngx.header
        assert.same({ 200, "14", "%3Cweb%3E does not answer" }, { ngx.status, header["grpc-status"], header["grpc-message"] })
    end)

    it("tell of the endpoint that is nearest to being used", function()
        local of = fixture.table({ fixture.route({ endpoints = { fixture.endpoint({ state = "stopped", container = "a" }),
            fixture.endpoint({ address = "10.87.1.3", container = "b" }) } }) }).routes[1]
        health.failed(of.endpoints[2])
        pages.unavailable(of)
        local said = cjson.decode(ngx.sent[1])
        assert.same({ "down", "b" }, { said.reason, said.container })
    end)

    it("tell of a host that is away instead of its containers", function()
        for _, answers in ipairs({ false, true }) do
            local routes = fixture.built(fixture.two_hosts(answers)).routes
            for number, route_of in ipairs(routes) do
                ngx.sent = {}
                health.failed(route_of.endpoints[1])
                pages.unavailable(route_of)
                local said = cjson.decode(ngx.sent[1])
                local is_away = number == 2 and not answers
                assert.same({ is_away and "host_away" or "down", number == 2 and 2 or nil }, { said.reason, said.host })
                if is_away then
                    assert.equal("Host 2 has not answered since 2026-11-30T10:00:00Z", said.title)
                    assert.equal("2", ngx.header["Retry-After"])
                end
            end
        end
        -- The request may have been processed.
        local away = fixture.built(fixture.two_hosts(false)).routes[2]
        ngx.sent = {}
        pages.refuse(502, "broke_off", { route = away, endpoint = away.endpoints[1] })
        assert.equal("broke_off", cjson.decode(ngx.sent[1]).reason)
    end)

    it("link to the start page by address and port", function()
        ngx.var.server_port, ngx.var.scheme, ngx.var.server_addr = "8443", "https", "fd00::1"
        assert.equal("https://[fd00::1]:8443/", pages.start_url())
    end)
end)
