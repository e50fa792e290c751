local own_names = require("flatnet.own_names")

describe("the gateway's own names", function()
    own_names.start({ name = "dev-pc", domains = { "flatnet.internal", "local" } })

    it("are its host name, its domains and the portal in each", function()
        for _, host in ipairs({ "localhost", "dev-pc", "dev-pc.local", "local", "flatnet.internal", "portal.local", "" }) do
            assert.is_truthy(own_names.is_own(host), host)
        end
    end)

    it("are all addresses", function()
        assert.is_truthy(own_names.is_own("192.168.7.1"))
        assert.is_truthy(own_names.is_own("[fd00::1]"))
    end)

    it("are not those of services", function()
        for _, host in ipairs({ "forgejo.local", "portal", "x.dev-pc.local", "1.2.3.4.local", "internal" }) do
            assert.is_falsy(own_names.is_own(host), host)
        end
    end)
end)
