local fixture = require("fixture")
local settings = require("flatnet.settings")

describe("settings", function()
    it("are read", function()
        local checked = settings.check(fixture.settings())
        assert.equal(0.25, checked.poll)
        assert.equal("10.87.0.0/16", checked.range_text)
    end)

    it("are in lower case where names are compared", function()
        local given = fixture.settings()
        given.name, given.domains = "DEV-PC", { "Local" }
        local checked = settings.check(given)
        assert.equal("dev-pc", checked.name)
        assert.same({ "local" }, checked.domains)
    end)

    it("say which one is wrong", function()
        for name, value in pairs({ prefix = "", version = 1, name = "", domains = {}, range = { "10.87.0.0" }, poll_ms = 0 }) do
            local given = fixture.settings()
            given[name] = value
            assert.error_matches(function() settings.check(given) end, "setting " .. name .. " must be")
        end
    end)
end)
