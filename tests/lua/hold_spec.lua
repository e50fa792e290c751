local fixture = require("fixture")

describe("holding a request", function()
    local health, hold, built, accepts, watched

    before_each(function()
        ngx.reset()
        for _, name in ipairs({ "hold", "recover", "probe", "health" }) do package.loaded["flatnet." .. name] = nil end
        package.loaded["flatnet.probe"] = { accepts = function() return accepts end }
        package.loaded["flatnet.recover"] = { watch = function() watched = watched + 1 end }
        health, hold = require("flatnet.health"), require("flatnet.hold")
        accepts, watched = false, 0
        built = fixture.table()
        built.routes[1].endpoints[1].changed = ngx.now() - 1000
    end)
    teardown(function()
        package.loaded["flatnet.probe"], package.loaded["flatnet.recover"] = nil, nil
    end)

    local function find() return built.by_name.web end

    it("ends as soon as an endpoint can be used", function()
        local endpoint = built.routes[1].endpoints[1]
        health.answered(endpoint)
        health.failed(endpoint)
        local began, asked = ngx.now(), 0
        local got = hold.wait(function()
            asked = asked + 1
            if asked == 40 then health.answered(endpoint) end
            return find()
        end)
        assert.equal(endpoint, got)
        assert.is_near(began + 1, ngx.now(), 0.1)
        assert.is_true(watched > 10)
    end)

    it("ends where another worker sees the endpoint come back between two looks of the same millisecond", function()
        local endpoint = built.routes[1].endpoints[1]
        health.failed(endpoint)
        assert.is_nil(health.pick(built.routes[1]))
        ngx.shared.flatnet_health:delete(endpoint.down)
        local began = ngx.now()
        assert.equal(endpoint, hold.wait(find))
        assert.equal(began, ngx.now())
    end)

    it("ends when the time is over, counted from the failure", function()
        local endpoint = built.routes[1].endpoints[1]
        health.answered(endpoint)
        health.failed(endpoint)
        local failed = ngx.now()
        ngx.turn(4)
        local got, route = hold.wait(find)
        assert.is_nil(got)
        assert.equal("web", route.name)
        assert.is_near(failed + 10, ngx.now(), 0.1)
        local late = ngx.now()
        assert.is_nil(hold.wait(find))
        assert.equal(late, ngx.now())
    end)

    it("has a labelled endpoint watched when the time is over too: who watched it may have died", function()
        local endpoint = built.routes[1].endpoints[1]
        endpoint.health = { path = "/", interval = 5, healthy = 1, unhealthy = 1 }
        health.checked(endpoint, true)
        health.answered(endpoint)
        health.failed(endpoint)
        ngx.turn(20)
        assert.is_nil(hold.wait(find))
        assert.is_true(watched > 0)
    end)

    it("has a look of its own when the time is over", function()
        local endpoint = built.routes[1].endpoints[1]
        health.failed(endpoint)
        accepts = true
        assert.equal(endpoint, hold.wait(find))
        assert.equal("up", health.word(endpoint))
    end)

    it("has none when a connection of its own has just failed", function()
        health.failed(built.routes[1].endpoints[1])
        accepts = true
        assert.is_nil(hold.wait(find, true))
    end)

    it("follows the list", function()
        health.answered(built.routes[1].endpoints[1])
        health.failed(built.routes[1].endpoints[1])
        local asked = 0
        local got = hold.wait(function()
            asked = asked + 1
            if asked == 5 then
                built = fixture.table({ fixture.route({ endpoints = { fixture.endpoint({ id = "ff" }) } }) })
            end
            return find()
        end)
        assert.equal("ff", got.id)
        built = fixture.table({})
        assert.same({ nil, nil }, { hold.wait(find) })
    end)
end)
