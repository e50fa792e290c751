local ipv4 = require("flatnet.ipv4")

describe("ipv4", function()
    it("reads addresses", function()
        assert.equal(0, ipv4.number("0.0.0.0"))
        assert.equal(2 ^ 32 - 1, ipv4.number("255.255.255.255"))
        assert.equal(10 * 2 ^ 24 + 87 * 2 ^ 16 + 256 + 2, ipv4.number("10.87.1.2"))
    end)

    it("rejects invalid addresses", function()
        for _, text in ipairs({ "", "10.87.1", "10.87.1.256", "256.87.1.2", "10.87.1.2.3", "10.87.1.2 ",
            "a.b.c.d", "10.87.1.-2", "::1", "10.87.1.0002" }) do
            assert.is_nil(ipv4.number(text), text)
        end
    end)

    it("tests whether an address is in a network", function()
        local networks = { ipv4.network("10.87.0.0/16"), ipv4.network("192.168.7.9/30") }
        for text, within in pairs({ ["10.87.0.0"] = true, ["10.87.255.255"] = true, ["10.86.255.255"] = false,
            ["10.88.0.0"] = false, ["192.168.7.8"] = true, ["192.168.7.11"] = true, ["192.168.7.12"] = false }) do
            assert.equal(within, ipv4.within(ipv4.number(text), networks), text)
        end
        assert.is_true(ipv4.within(ipv4.number("1.2.3.4"), { ipv4.network("0.0.0.0/0") }))
    end)

    it("refuses networks that are none", function()
        for _, text in ipairs({ "10.87.0.0", "10.87.0.0/33", "10.87.0.0/", "10.87.0/16", "/16" }) do
            assert.is_nil(ipv4.network(text), text)
        end
    end)
end)
