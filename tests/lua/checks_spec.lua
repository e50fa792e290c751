local fixture = require("fixture")

describe("checks by label", function()
    local checks, health, well, asked

    before_each(function()
        ngx.reset()
        for _, name in ipairs({ "checks", "recover", "probe", "state", "health" }) do package.loaded["flatnet." .. name] = nil end
        asked = {}
        package.loaded["flatnet.probe"] = {
            accepts = function() return true end,
            is_well = function(_, path) asked[#asked + 1] = path return well end,
        }
        health, checks = require("flatnet.health"), require("flatnet.checks")
        well = true
    end)
    teardown(function() package.loaded["flatnet.probe"] = nil end)

    local function follow(changes, before)
        local route = fixture.route({ health = { path = "/healthz", interval = 5, healthy = 2, unhealthy = 3 },
            endpoints = { fixture.endpoint(changes) } })
        local built = fixture.table({ route }, before)
        require("flatnet.state").table = built
        checks.follow(built)
        return built.routes[1].endpoints[1], built
    end

    it("let the first answer decide, then count", function()
        local endpoint = follow()
        ngx.turn(0.5)
        assert.equal("up", health.word(endpoint))
        assert.same({ "/healthz" }, asked)
        well = false
        ngx.turn(10)
        assert.equal("up", health.word(endpoint))
        ngx.turn(5.5)
        assert.equal("unhealthy", health.word(endpoint))
        well = true
        ngx.turn(5)
        assert.equal("unhealthy", health.word(endpoint))
        ngx.turn(5.5)
        assert.equal("up", health.word(endpoint))
    end)

    it("ask a container that is starting each second", function()
        well = false
        local endpoint = follow()
        ngx.turn(3)
        assert.is_true(#asked >= 3, #asked)
        assert.equal("unhealthy", health.word(endpoint))
    end)

    it("begin again when the container was stopped", function()
        local _, first = follow()
        ngx.turn(0.5)
        local stopped, second = follow({ state = "stopped" }, first)
        assert.equal("stopped", health.word(stopped))
        well = false
        local endpoint = follow(nil, second)
        assert.equal("unchecked", health.word(endpoint))
        ngx.turn(0.5)
        assert.equal("unhealthy", health.word(endpoint))
    end)

    it("leave nothing of what is gone from the list", function()
        local endpoint, first = follow()
        health.failed(endpoint)
        ngx.turn(0.5)
        assert.is_not_nil(next(ngx.shared.flatnet_health.values))
        follow({ id = "fedcba987654" }, first)
        ngx.turn(0.5)
        for key in pairs(ngx.shared.flatnet_health.values) do
            assert.is_nil(string.find(key, endpoint.id, 1, true), key)
        end
    end)

    it("begin again when the container was off the list", function()
        follow()
        ngx.turn(0.5)
        local none = fixture.table({})
        checks.follow(none)
        local endpoint = follow(nil, none)
        assert.equal("unchecked", health.word(endpoint))
    end)

    it("go on where nothing changed", function()
        local _, built = follow()
        ngx.turn(0.5)
        local endpoint = follow(nil, built)
        assert.equal("up", health.word(endpoint))
        assert.equal(1, checks.count())
    end)
end)
