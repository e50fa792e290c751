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
        -- Another worker still had a request to the removed endpoint.
        health.failed(endpoint)
        ngx.turn(6)
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

    it("hold over a reload", function()
        local endpoint = follow()
        ngx.turn(0.5)
        package.loaded["flatnet.checks"] = nil
        checks = require("flatnet.checks")
        follow()
        assert.equal("up", health.word(endpoint))
    end)

    it("go on where the clock is set back", function()
        local endpoint = follow()
        ngx.turn(0.5)
        ngx.set_back(3600)
        well = false
        ngx.turn(16)
        assert.equal("unhealthy", health.word(endpoint))
    end)

    it("reach each endpoint where many hang", function()
        local endpoints, done = {}, {}
        for number = 1, 60 do
            endpoints[number] = fixture.endpoint({ id = string.format("%012x", number), address = "10.87.1." .. number + 1 })
        end
        local labels = { path = "/healthz", interval = 1, healthy = 1, unhealthy = 1 }
        local built = fixture.table({ fixture.route({ health = labels, endpoints = endpoints }) })
        require("flatnet.state").table = built
        -- Each check takes 2.1 s, longer than the interval.
        local at, held = ngx.timer.at, {}
        ngx.timer.at = function(delay, run, argument)
            if delay == 0 and argument.passes then
                held[#held + 1] = { ends = ngx.now() + 2.1, run = function() run(false, argument) end }
                done[argument.endpoint.key] = true
                return true
            end
            return at(delay, run, argument)
        end
        checks.follow(built)
        for _ = 1, 40 do
            ngx.turn(0.3)
            local before = held
            held = {}
            for _, look in ipairs(before) do
                if look.ends <= ngx.now() then look.run() else held[#held + 1] = look end
            end
        end
        ngx.timer.at = at
        for _, endpoint in ipairs(built.routes[1].endpoints) do assert.is_true(done[endpoint.key], endpoint.key) end
    end)

    it("go on where nothing changed", function()
        local _, built = follow()
        ngx.turn(0.5)
        local endpoint = follow(nil, built)
        assert.equal("up", health.word(endpoint))
        assert.equal(1, checks.count())
    end)
end)
