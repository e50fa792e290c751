local fixture = require("fixture")
local health = require("flatnet.health")
local state = require("flatnet.state")

describe("the usual request", function()
    local quick, peers, failed

    before_each(function()
        ngx.reset()
        peers, failed = {}, nil
        package.loaded["ngx.balancer"] = {
            set_current_peer = function(address, port) peers[#peers + 1] = address .. ":" .. port return true end,
            get_last_failure = function() return failed end,
        }
        package.loaded["flatnet.balancer"], package.loaded["flatnet.quick"] = nil, nil
        quick = require("flatnet.quick")
        require("flatnet.names").start({ name = "dev-pc", domains = { "local" } })
        state.table = fixture.table()
    end)
    teardown(function() package.loaded["ngx.balancer"] = nil end)

    -- Whose route the request has; nil where it is left to flatnet.access.
    local function route(host, uri)
        ngx.ctx, ngx.exited = {}, nil
        ngx.var = { host = host, uri = uri or "/x", flatnet_connection = "" }
        local is_left = quick.is_left()
        quick.run()
        assert.equal(is_left and ngx.ERROR or nil, ngx.exited)
        assert.equal(ngx.ctx.route and ngx.ctx.route.name, ngx.var.flatnet_route)
        return ngx.var.flatnet_route
    end

    it("goes to the endpoint of its route", function()
        assert.equal("web", route("web.local"))
        assert.same({ "10.87.1.2:3000" }, peers)
        assert.equal("10.87.1.2", ngx.ctx.endpoint.address)
    end)

    it("may have a host with several paths, or a wildcard", function()
        state.table = fixture.table({ fixture.route(), fixture.route({ name = "api", path = "/api" }),
            fixture.route({ name = "wild", hosts = { "*.example.org" } }) })
        assert.equal("web", route("web.local", "/apis"))
        assert.equal("api", route("web.local", "/api/x"))
        assert.equal("wild", route("a.example.org"))
    end)

    it("is left to others where anything is to be changed, waited for, or said", function()
        for _, changes in ipairs({ { scheme = "https" }, { scheme = "grpc" }, { stream = true },
            { path = "/x", strip = true } }) do
            state.table = fixture.table({ fixture.route(changes) })
            assert.is_nil(route("web.local"))
        end
        state.table = fixture.table({ fixture.route({ hosts = { "local" }, path = "/x" }), fixture.route({ name = "b" }) })
        -- The gateway's own pages go first there.
        assert.is_nil(route("local"))
        assert.is_nil(route("192.168.7.1"))
        assert.is_nil(route("other.local"))
        assert.equal("b", route("web.local"))
        health.failed(state.table.routes[2].endpoints[1])
        assert.is_nil(route("web.local"))
        assert.is_nil(ngx.ctx.endpoint)
        state.table = nil
        assert.is_nil(route("web.local"))
        assert.same({ "10.87.1.2:3000" }, peers)
    end)

    it("is none where the connection is to be upgraded", function()
        ngx.var = { host = "web.local", uri = "/", flatnet_connection = "upgrade" }
        assert.is_true(quick.is_left())
    end)

    it("goes on to another endpoint where a kept connection was closed", function()
        state.table = fixture.table({ fixture.route({ endpoints = { fixture.endpoint(),
            fixture.endpoint({ address = "10.87.1.3" }) } }) })
        ngx.ctx, ngx.var = {}, { host = "web.local", uri = "/" }
        quick.run()
        failed = "failed"
        quick.run()
        assert.same({ "10.87.1.2:3000", "10.87.1.3:3000" }, peers)
        assert.equal("10.87.1.3", ngx.ctx.endpoint.address)
    end)
end)
