local client_host = require("flatnet.client_host")

describe("the Host header for containers", function()
    it("is the client's header if it agrees with nginx", function()
        for _, header in ipairs({ "web.local", "web.local:8080", "Web.Local", "web.local.", "web.local.:80" }) do
            assert.equal(header, client_host.host({ http_host = header, host = "web.local" }), header)
        end
        assert.equal("[::1]:80", client_host.host({ http_host = "[::1]:80", host = "[::1]" }))
    end)

    it("is the host of a target in absolute form", function()
        local function host(request)
            return client_host.host({ http_host = "other.local", host = "web.local", request = request })
        end
        assert.equal("web.local", host("GET http://web.local/x HTTP/1.1"))
        assert.equal("web.local:8080", host("GET http://web.local:8080?x HTTP/1.1"))
        assert.equal("web.local", host("GET http://user@web.local/ HTTP/1.1"))
        assert.equal("web.local", host("GET /http://evil.local/ HTTP/1.1"))
        assert.equal("web.local", client_host.host({ host = "web.local", request = "GET / HTTP/1.0" }))
    end)
end)
