local fixture = require("fixture")

describe("recover", function()
    local health, recover, state, accepts, looks

    before_each(function()
        ngx.reset()
        for _, name in ipairs({ "recover", "probe", "state", "health" }) do package.loaded["flatnet." .. name] = nil end
        package.loaded["flatnet.probe"] = { accepts = function() looks = looks + 1 return accepts end }
        health, recover, state = require("flatnet.health"), require("flatnet.recover"), require("flatnet.state")
        state.table = fixture.table()
        accepts, looks = false, 0
    end)
    teardown(function() package.loaded["flatnet.probe"] = nil end)

    it("looks until the endpoint accepts, less and less often", function()
        local endpoint = state.table.routes[1].endpoints[1]
        recover.watch(endpoint)
        ngx.turn(0.2)
        assert.equal("down", health.word(endpoint))
        local early = looks
        assert.is_true(early >= 2, early)
        ngx.turn(60)
        assert.is_true(looks < early + 45, looks)
        accepts = true
        ngx.turn(2.1)
        assert.equal("up", health.word(endpoint))
        local late = looks
        ngx.turn(60)
        assert.equal(late, looks)
    end)

    it("looks on where the clock is set back", function()
        local endpoint = state.table.routes[1].endpoints[1]
        recover.watch(endpoint)
        ngx.turn(60)
        ngx.set_back(3600)
        accepts = true
        ngx.turn(2.1)
        assert.equal("up", health.word(endpoint))
    end)

    it("looks soon when a request waits", function()
        local endpoint = state.table.routes[1].endpoints[1]
        recover.watch(endpoint)
        ngx.turn(60)
        accepts = true
        recover.watch(endpoint, true)
        ngx.turn(0.2)
        assert.equal("up", health.word(endpoint))
    end)

    it("forgets none among many that are dead, and does not let a request wait for them", function()
        local endpoints = {}
        for number = 1, 300 do
            endpoints[number] = fixture.endpoint({ address = "10.87.2.2", port = number })
        end
        state.table = fixture.table({ fixture.route({ endpoints = endpoints }) })
        for _, endpoint in ipairs(endpoints) do recover.watch(endpoint) end
        ngx.turn(0.6)
        for _, endpoint in ipairs(endpoints) do assert.equal("down", health.word(endpoint)) end
        accepts = true
        recover.watch(endpoints[77], true)
        ngx.turn(0.2)
        assert.equal("up", health.word(endpoints[77]))
    end)

    it("forgets what is no longer in the list", function()
        recover.watch(state.table.routes[1].endpoints[1])
        ngx.turn(1)
        state.table = fixture.table({})
        ngx.turn(3)
        local before = looks
        ngx.turn(60)
        assert.equal(before, looks)
    end)
end)
