local probe = require("flatnet.probe")

describe("a look at an endpoint", function()
    local sent, line, connects, shaken
    local endpoint = { address = "10.87.1.2", port = 3000, peer = "10.87.1.2:3000", scheme = "http" }

    before_each(function()
        sent, shaken, connects, line = nil, false, true, "HTTP/1.1 200 OK"
        ngx.socket = { tcp = function()
            return {
                settimeouts = function() end,
                connect = function() if connects then return true end return nil, "connection refused" end,
                sslhandshake = function() shaken = true return true end,
                send = function(_, text) sent = text return #text end,
                receive = function() if line then return line end return nil, "timeout" end,
                close = function() end,
            }
        end }
    end)

    it("says whether it accepts", function()
        assert.is_true(probe.accepts(endpoint, 1))
        connects = false
        assert.same({ nil, "connection refused" }, { probe.accepts(endpoint, 1) })
    end)

    it("takes 2xx and 3xx for well", function()
        for code, well in pairs({ ["200"] = true, ["302"] = true, ["404"] = false, ["500"] = false }) do
            line = "HTTP/1.1 " .. code .. " x"
            assert.equal(well, (probe.is_well(endpoint, "/healthz", 1)), code)
        end
        assert.matches("^GET /healthz HTTP/1.1\r\nHost: 10.87.1.2:3000\r\n", sent)
        line = nil
        assert.same({ nil, "timeout" }, { probe.is_well(endpoint, "/", 1) })
        line = "SSH-2.0"
        assert.same({ nil, "no HTTP answer" }, { probe.is_well(endpoint, "/", 1) })
    end)

    it("speaks TLS where the container does, and only connects to gRPC", function()
        probe.is_well({ address = "x", port = 1, peer = "x:1", scheme = "https" }, "/", 1)
        assert.is_true(shaken)
        sent = nil
        assert.is_true(probe.is_well({ address = "x", port = 1, peer = "x:1", scheme = "grpc" }, "/", 1))
        assert.is_nil(sent)
    end)
end)
