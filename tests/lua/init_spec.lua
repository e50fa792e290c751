local fixture = require("fixture")

describe("starting", function()
    it("reads all that runs later, so that a start finds what is missing", function()
        package.loaded["ngx.balancer"] = {}
        require("flatnet.init").start(fixture.settings())
        for name in io.popen("ls templates/gateway/lua/flatnet"):lines() do
            -- Only the first worker runs the checks.
            local module = "flatnet." .. string.gsub(name, "%.lua$", "")
            if module ~= "flatnet.checks" then
                assert.is_truthy(package.loaded[module], module)
            end
        end
    end)

    it("fails where a setting is wrong", function()
        local given = fixture.settings()
        given.domains = nil
        assert.error_matches(function() require("flatnet.init").start(given) end, "setting domains must be")
    end)
end)
