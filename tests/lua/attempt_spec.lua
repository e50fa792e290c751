local attempt = require("flatnet.attempt")

describe("attempts", function()
    local function read(addr, bytes, connect, status)
        return attempt.read({ upstream_addr = addr, upstream_bytes_sent = bytes, upstream_connect_time = connect,
            upstream_status = status })
    end

    it("are none before the first", function()
        assert.is_nil(attempt.read({}))
        assert.is_nil(read("", "", "", ""))
    end)

    it("are read from nginx's lists", function()
        assert.same({ rounds = 1, sent = 0, peer = "10.87.1.2:3000", connected = false, status = 502, is_too_large = false },
            read("10.87.1.2:3000", "0", "-", "502"))
        assert.same({ rounds = 2, sent = 2, peer = "10.87.1.4:80", connected = true, status = 504, is_too_large = false },
            read("10.87.1.2:80, 10.87.1.3:80 : 10.87.1.4:80", "120, 0 : 120", "0.000, - : 0.001", "502, 502 : 504"))
    end)

    it("are not repeated where the answer was too large", function()
        local var = { upstream_addr = "a:1", upstream_bytes_sent = "100", upstream_connect_time = "0.000",
            upstream_status = "502" }
        var.upstream_bytes_received = "65535"
        assert.is_true(attempt.may_repeat(attempt.read(var), "GET", false))
        var.upstream_bytes_received = "65536"
        assert.is_false(attempt.may_repeat(attempt.read(var), "GET", false))
    end)

    it("may be repeated when nothing was sent", function()
        local refused = read("a:1", "0", "-", "502")
        assert.is_true(attempt.may_repeat(refused, "POST", false))
        assert.is_true(attempt.may_repeat(read("a:1", "0", "-", "504"), "POST", false))
        assert.is_false(attempt.may_repeat(refused, "POST", true))
    end)

    it("may be repeated once when sent, if that does no harm", function()
        local broke = read("a:1", "100", "0.000", "502")
        for _, method in ipairs({ "GET", "HEAD", "PUT", "DELETE", "OPTIONS" }) do
            assert.is_true(attempt.may_repeat(broke, method, false), method)
        end
        for _, method in ipairs({ "POST", "PATCH", "LOCK", "MKCOL" }) do
            assert.is_false(attempt.may_repeat(broke, method, false), method)
        end
        assert.is_false(attempt.may_repeat(read("a:1 : a:1", "100 : 100", "0.0 : 0.0", "502 : 502"), "GET", false))
        -- Kept connections that the container had closed count as one attempt.
        assert.is_true(attempt.may_repeat(read("a:1, a:1, a:1", "100, 100, 0", "0.0, 0.0, -", "502, 502, 502"), "GET", false))
        assert.is_true(attempt.may_repeat(read("a:1 : a:1", "100 : 0", "0.0 : -", "502 : 502"), "GET", false))
    end)

    it("are not repeated when the answer takes too long, nor forever", function()
        assert.is_false(attempt.may_repeat(read("a:1", "100", "0.000", "504"), "GET", false))
        local five = read("a:1 : a:1 : a:1 : a:1 : a:1", "0 : 0 : 0 : 0 : 0", "- : - : - : - : -", "502")
        assert.is_false(attempt.may_repeat(five, "GET", false))
    end)
end)
