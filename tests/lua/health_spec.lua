local fixture = require("fixture")
local health = require("flatnet.health")

describe("health", function()
    before_each(ngx.reset)

    local function two(changes)
        local endpoints = { fixture.endpoint(changes), fixture.endpoint({ address = "10.87.1.3" }) }
        local route = fixture.table({ fixture.route({ endpoints = endpoints, health = changes and changes.health }) }).routes[1]
        return route, route.endpoints[1], route.endpoints[2]
    end

    it("takes endpoints in turn", function()
        local route, first, second = two()
        local picked = { health.pick(route), health.pick(route), health.pick(route) }
        assert.are_not.equal(picked[1], picked[2])
        assert.equal(picked[1], picked[3])
        assert.equal(second, health.pick(route, first))
        assert.equal(second, health.pick(route, first))
    end)

    it("leaves out what failed, until it answers", function()
        local route, first, second = two()
        health.failed(first)
        for _ = 1, 3 do assert.equal(second, health.pick(route)) end
        assert.equal("down", health.word(first))
        health.failed(second)
        assert.is_nil(health.pick(route))
        health.answered(first)
        assert.equal(first, health.pick(route))
        assert.equal("up", health.word(first))
    end)

    it("leaves out what does not run", function()
        local route, first, second = two({ state = "paused" })
        for _ = 1, 3 do assert.equal(second, health.pick(route)) end
        assert.equal("paused", health.word(first))
    end)

    it("uses an endpoint with a check only while it is well", function()
        local route, first = two({ health = { path = "/", interval = 5, healthy = 1, unhealthy = 1 } })
        assert.is_nil(health.pick(route))
        assert.equal("unchecked", health.word(first))
        health.checked(first, true)
        assert.equal(first, health.pick(route))
        health.checked(first, false)
        assert.is_nil(health.pick(route))
        assert.equal("unhealthy", health.word(first))
        health.forget(first)
        assert.equal("unchecked", health.word(first))
    end)

    it("counts the time to hold from the first failure of what has answered before", function()
        local _, first, second = two()
        local began = ngx.now()
        first.changed, second.changed = began - 100, began - 100
        health.answered(first)
        health.failed(first)
        health.failed(second)
        ngx.turn(5)
        health.failed(first)
        assert.equal(began, health.unusable_since(first))
        -- One that never answered has been unusable since its start.
        assert.equal(began - 100, health.unusable_since(second))
    end)

    it("forgets nothing of what is still there, however long ago that was", function()
        local _, first = two()
        first.changed = ngx.now()
        health.answered(first)
        ngx.turn(30 * 86400)
        assert.equal("up", health.word(first))
        local failed = ngx.now()
        health.failed(first)
        ngx.turn(30 * 86400)
        assert.equal("down", health.word(first))
        assert.equal(failed, health.unusable_since(first))
    end)

    it("counts the time to hold from meeting what has to be checked first", function()
        local _, first = two({ health = { path = "/", interval = 5, healthy = 1, unhealthy = 1 } })
        local began = ngx.now()
        first.changed = began - 100
        ngx.turn(5)
        assert.equal(began, health.unusable_since(first))
        health.checked(first, false)
        assert.equal(began + 5, health.unusable_since(first))
        health.checked(first, true)
        assert.is_nil(health.unusable_since(first))
    end)
end)
