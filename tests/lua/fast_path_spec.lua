local fixture = require("fixture")
local health = require("flatnet.health")
local fast_path = require("flatnet.fast_path")
local state = require("flatnet.state")

describe("the usual request", function()
    before_each(function()
        ngx.reset()
        require("flatnet.own_names").start({ name = "dev-pc", domains = { "local" } })
        state.table = fixture.table()
    end)

    local function route(host, uri)
        ngx.ctx, ngx.var.host, ngx.var.http_host, ngx.var.uri = {}, host, host, uri or "/x"
        return fast_path.route()
    end

    it("gets the name of its route, and an endpoint for the balancer", function()
        assert.equal("web", route("web.local"))
        assert.equal("10.87.1.2", ngx.ctx.endpoint.address)
        assert.equal("web", ngx.ctx.route.name)
    end)

    it("may have a host with several paths, or a wildcard", function()
        state.table = fixture.table({ fixture.route(), fixture.route({ name = "api", path = "/api" }),
            fixture.route({ name = "wild", hosts = { "*.example.org" } }) })
        assert.equal("web", route("web.local", "/apis"))
        assert.equal("api", route("web.local", "/api/x"))
        assert.equal("wild", route("a.example.org"))
        -- The log must replace invalid UTF-8.
        ngx.var.http_user_agent = "\233"
        assert.equal("", route("web.local"))
        ngx.var.http_user_agent = nil
        assert.equal("", route("\233.example.org"))
    end)

    it("is left to others where anything is to be changed, waited for, or said", function()
        for _, changes in ipairs({ { scheme = "https" }, { scheme = "grpc" }, { stream = true },
            { path = "/x", strip = true } }) do
            state.table = fixture.table({ fixture.route(changes) })
            assert.equal("", route("web.local"))
        end
        state.table = fixture.table({ fixture.route({ hosts = { "local" }, path = "/x" }), fixture.route({ name = "b" }) })
        -- The gateway's own pages take precedence on these hosts.
        assert.equal("", route("local"))
        assert.equal("", route("192.168.7.1"))
        assert.equal("", route("other.local"))
        assert.equal("b", route("web.local"))
        health.failed(state.table.routes[2].endpoints[1])
        assert.equal("", route("web.local"))
        assert.is_nil(ngx.ctx.endpoint)
        state.table = nil
        assert.equal("", route("web.local"))
    end)
end)
