local fixture = require("fixture")

describe("the balancer", function()
    local balancer, peers, times, failure

    before_each(function()
        ngx.reset()
        peers, times, failure = {}, nil, nil
        package.loaded["ngx.balancer"] = {
            set_current_peer = function(address, port) peers[#peers + 1] = address .. ":" .. port return true end,
            set_timeouts = function(...) times = { ... } end,
            get_last_failure = function() return failure end,
        }
        package.loaded["flatnet.balancer"] = nil
        balancer = require("flatnet.balancer")
    end)
    teardown(function() package.loaded["ngx.balancer"] = nil end)

    local function context(endpoints)
        local route = fixture.table({ fixture.route({ endpoints = endpoints }) }).routes[1]
        ngx.ctx = { route = route, endpoint = route.endpoints[1] }
        return route
    end

    it("hands on the endpoint that was chosen", function()
        context({ fixture.endpoint() })
        balancer.run()
        assert.same({ "10.87.1.2:3000" }, peers)
        assert.is_nil(times)
    end)

    it("waits an hour for upgraded connections", function()
        context({ fixture.endpoint() })
        ngx.ctx.is_upgrade = true
        balancer.run()
        assert.same({ 1, 300, 3600 }, times)
    end)

    it("gives one that is tried again the time of a full queue", function()
        context({ fixture.endpoint() })
        ngx.ctx.is_again = true
        balancer.run()
        assert.same({ 3.5, 300, 300 }, times)
        failure = "failed"
        balancer.run()
        assert.is_true(ngx.ctx.is_again)
    end)

    it("goes on to another endpoint", function()
        local route = context({ fixture.endpoint(), fixture.endpoint({ address = "10.87.1.3" }) })
        local shared = ngx.ctx
        balancer.run()
        failure = "failed"
        balancer.run()
        assert.same({ "10.87.1.2:3000", "10.87.1.3:3000" }, peers)
        assert.equal(route.endpoints[2], ngx.ctx.endpoint)
        assert.equal(route.endpoints[1], shared.endpoint)
    end)

    it("takes the only one again: the connection may have been an old one", function()
        context({ fixture.endpoint() })
        balancer.run()
        failure = "failed"
        balancer.run()
        assert.same({ "10.87.1.2:3000", "10.87.1.2:3000" }, peers)
    end)
end)
