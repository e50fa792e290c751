local cjson = require("cjson.safe")
local fixture = require("fixture")
local json = require("flatnet.json")
local own_pages = require("flatnet.own_pages")
local pages = require("flatnet.pages")
local portal = require("flatnet.portal")
local services = require("flatnet.services")
local state = require("flatnet.state")
local status = require("flatnet.status")

describe("the gateway's own pages", function()
    state.settings = fixture.settings()
    portal.start(state.settings)
    pages.start(state.settings)
    local via = { language = "en", scheme = "http", http_host = "192.168.7.1" }

    before_each(function()
        ngx.reset()
        ngx.var = { flatnet_allowed = "1", remote_addr = "192.168.7.2", scheme = "http", server_addr = "1.2.3.4",
            server_port = "80" }
        state.table, state.problem, state.source, state.loaded = fixture.table(), nil, "state/routes.json", 0
    end)

    it("show services with links, words and addresses", function()
        local page = portal.render(status.model(), via)
        for _, text in ipairs({ '<a href="http://web.local/">web.local</a>', "<code>10.87.1.2:3000</code>",
            'Generation 7, loaded at <time datetime="1970-01-01T00:00:00Z">' }) do
            assert.matches(text, page, 1, true)
        end
    end)

    it("list services by name, count their states, and say a lone container's name once", function()
        local other = fixture.endpoint({ address = "10.87.1.3", state = "stopped", container = "other" })
        state.table = fixture.table({ fixture.route({ name = "zoo", hosts = { "zoo.local" }, endpoints = { other } }),
            fixture.route({ name = "Web" }), fixture.route({ name = "cache", hosts = { "cache.local" } }) })
        local page = portal.render(status.model(), via)
        local order = {}
        for name in string.gmatch(page, '<article id="route%-(%w+)">') do order[#order + 1] = name end
        assert.same({ "cache", "Web", "zoo" }, order)
        assert.matches('<span class="badge unchecked">2 starting</span> <span class="badge stopped">1 stopped</span>', page,
            1, true)
        assert.matches("<li><span>other <code>10.87.1.3:3000</code></span> <small>", page, 1, true)
        local alone = portal.render({ name = "x", version = "1", unrouted = {}, conflicts = {}, routes = { {
            name = "web", path = "/", hosts = {}, health = "up", endpoints = { { container = "web", address = "10.87.1.2",
            port = 80, since = "now", health = "up" } } } } }, via)
        assert.matches("<li><span><code>10.87.1.2:80</code></span> <small>", alone, 1, true)
    end)

    it("link no name that leads to another route, and show warnings first", function()
        state.table = fixture.table({ fixture.route(), fixture.route({ name = "second" }) })
        state.table.unrouted = { { container = "db", address = "10.87.1.8", state = "running", why = "no", warning = false },
            { container = "shop", address = "10.87.1.9", state = "running", why = "choose", warning = true } }
        local page = portal.render(status.model(), via)
        assert.matches('<h2>second .-<p class="links"><s>web.local</s></p>', page)
        assert.matches('class="warning">shop.-class="quiet">db', page)
    end)

    it("say why a container has no route in the reader's language, where they know the reason", function()
        local known = { container = "db", address = "10.87.1.8", state = "stopped", why = "it is stopped, and ..",
            reason = "not_running" }
        local newer = { container = "x", address = "-", state = "running", why = "of the <future>", reason = "future" }
        local quoting = { container = "y", address = "-", state = "running", why = "..", reason = "bad_label",
            facts = { problem = "<i>" } }
        state.table.unrouted = { known, newer, quoting }
        local japanese = portal.render(status.model(), { language = "ja", scheme = "http", http_host = "x" })
        for _, text in ipairs({ "<small>停止のため確認できず", '<small lang="en">of the &lt;future&gt;</small>',
            "<small>ラベルに誤りがあります（&lt;i&gt;）。</small>" }) do
            assert.matches(text, japanese, 1, true)
        end
        assert.matches('<small lang="en">it is stopped, and ..</small>', portal.render(status.model(), via), 1, true)
    end)

    it("show hosts, and which host has what", function()
        assert.is_nil(string.find(portal.render(status.model(), via), "<h2>Hosts", 1, true))
        state.table = fixture.built(fixture.two_hosts(false))
        local page = portal.render(status.model(), via)
        for _, text in ipairs({ '<h2>Hosts</h2><ul class="list"><li>host 1 dev-pc <small>the gateway is here</small></li>',
            '<li class="warning">host 2 lab <code>10.87.2.0/24</code> <span class="badge away">does not answer</span>',
            "<h2>web.h2 <small>host 2</small> ", "db <small>host 2</small> <code>10.87.2.3</code>",
            "web.local/ is taken by web (host 1), so web.h2 (host 2) does not get it." }) do
            assert.matches(text, page, 1, true)
        end
        local conflict = status.model().conflicts[1]
        assert.same({ 1, 2 }, { conflict.winner_host, conflict.route_host })
    end)

    it("link with the port that the browser came by", function()
        assert.equal("http://web.local:8080/x", services.url("web.local", "/x", "http", "192.168.7.1:8080"))
        assert.equal("https://web.local/", services.url("web.local", "/", "https", "[fd00::1]"))
        assert.is_nil(services.url("*.local", "/", "http", "x"))
    end)

    it("show nothing as nothing, and a bad file as bad", function()
        state.table, state.problem = nil, { message = "torn <file>", since = 0 }
        local page = portal.render(status.model(), via)
        assert.matches("No container is routed yet.", page, 1, true)
        assert.matches("torn &lt;file&gt;", page, 1, true)
    end)

    it("give the status as JSON", function()
        own_pages.answer("/_flatnet/status")
        local said = cjson.decode(ngx.sent[1])
        assert.equal("unchecked", said.routes[1].health)
        assert.equal(json.encode(json.list()), json.encode(status.model().conflicts))
    end)

    it("are not for everybody", function()
        ngx.var.flatnet_allowed = "0"
        for _, path in ipairs({ "/", "/_flatnet/status", "/_flatnet/anything" }) do
            ngx.sent = {}
            assert.is_true(own_pages.answer(path))
            assert.equal(403, ngx.status)
            assert.equal("forbidden", cjson.decode(ngx.sent[1]).reason)
        end
        assert.is_false(own_pages.answer("/app"))
    end)

    it("pass the metrics of the host on, if it publishes them", function()
        local folder = os.tmpname()
        os.remove(folder)
        assert(os.execute("mkdir -p " .. folder .. "/state"))
        state.settings = { prefix = folder .. "/" }
        own_pages.answer("/_flatnet/metrics/host")
        assert.equal(404, ngx.status)
        assert.equal("unknown_path", cjson.decode(ngx.sent[1]).reason)
        local handle = assert(io.open(folder .. "/state/host.prom", "wb"))
        handle:write("flatnet_containers 3\n")
        handle:close()
        ngx.sent = {}
        own_pages.answer("/_flatnet/metrics/host")
        assert.same({ "flatnet_containers 3\n" }, ngx.sent)
        assert.equal("text/plain; version=0.0.4", ngx.header["Content-Type"])
        os.execute("rm -r " .. folder)
    end)

    it("say when there is no table", function()
        own_pages.answer("/_flatnet/healthz")
        assert.equal(200, ngx.status)
        state.table = nil
        own_pages.answer("/_flatnet/healthz")
        assert.equal(503, ngx.status)
    end)
end)
